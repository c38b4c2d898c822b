#include "tests/crash/crash_choices.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace espalier::testing {
namespace {

// docs/file-format.md, "Checkpoint slots".
constexpr uint64_t kSlotSectors[2] = {16384 / kSectorBytes, 32768 / kSectorBytes};

bool IsLog(std::string_view name) { return name.ends_with("-wal"); }

// A sector's state: what the disk has of it is nothing that was ever written.
constexpr uint32_t kDamaged = std::numeric_limits<uint32_t>::max();
constexpr uint8_t kDamagedByte = 0xdb;

}  // namespace

CrashChoices::CrashChoices(const RecordedDisk& disk) : disk_(disk), names_(disk.PossibleNames()) {
  if (names_.size() > 1) {
    pages_.push_back({variables_.size()});
    variables_.push_back({Variable::kNames, 0, 0, static_cast<uint32_t>(names_.size())});
  }
  std::map<RecordedDisk::FileId, bool> files;
  for (const RecordedDisk::Names& names : names_) {
    for (const auto& [name, id] : names) files[id] = files[id] || IsLog(name);
  }
  for (const auto& [id, is_log] : files) {
    const RecordedFile& file = disk.file(id);
    if (const size_t sizes = file.PossibleSizes().size(); sizes > 1) {
      pages_.push_back({variables_.size()});
      variables_.push_back({Variable::kSize, id, 0, static_cast<uint32_t>(sizes)});
    }
    std::vector<size_t> log;
    std::optional<uint64_t> last_block;
    for (const auto& [sector, versions] : file.pending()) {
      const uint64_t block = sector / kSectorsPerBlock;
      if (last_block != block) pages_.emplace_back();
      last_block = block;
      pages_.back().push_back(variables_.size());
      if (is_log) log.push_back(variables_.size());
      if (!is_log && (sector == kSlotSectors[0] || sector == kSlotSectors[1])) {
        tearable_.push_back({variables_.size()});
      }
      variables_.push_back(
          {Variable::kSector, id, sector, static_cast<uint32_t>(versions.size() + 1)});
    }
    if (!log.empty()) tearable_.push_back(std::move(log));
  }
}

CrashChoices::States CrashChoices::Newest() const {
  States states;
  for (const Variable& variable : variables_) states.push_back(variable.states - 1);
  return states;
}

CrashChoices::States CrashChoices::Mixed(const States& from, const States& to,
                                         const std::vector<size_t>& group) {
  States states = to;
  for (const size_t i : group) states[i] = from[i];
  return states;
}

uint64_t CrashChoices::Combinations(uint64_t limit) const {
  uint64_t combinations = 1;
  for (const Variable& variable : variables_) {
    combinations *= variable.states;
    if (combinations > limit) return limit + 1;
  }
  return combinations;
}

std::vector<CrashChoices::Plan> CrashChoices::SystematicPlans() const {
  std::vector<Plan> plans;
  for (const std::vector<size_t>& page : pages_) {
    plans.emplace_back([this, &page](auto&) { return Mixed(Newest(), Oldest(), page); });
    plans.emplace_back([this, &page](auto&) { return Mixed(Oldest(), Newest(), page); });
  }
  for (const std::vector<size_t>& sectors : tearable_) {
    for (size_t n = 0; n <= sectors.size(); ++n) {
      const std::vector<size_t> first(sectors.begin(), sectors.begin() + static_cast<ptrdiff_t>(n));
      const std::vector<size_t> rest(sectors.begin() + static_cast<ptrdiff_t>(n), sectors.end());
      plans.emplace_back([this, first](auto&) { return Mixed(Newest(), Oldest(), first); });
      plans.emplace_back([this, rest](auto&) { return Mixed(Oldest(), Newest(), rest); });
    }
  }
  return plans;
}

CrashChoices::States CrashChoices::Random(std::mt19937_64& random) const {
  States states = Newest();
  const uint64_t style = random() % 4;
  const size_t chosen = random() % pages_.size();
  for (size_t i = 0; i < pages_.size(); ++i) {
    const bool torn = style == 0 || random() % 8 == 0;
    const uint64_t which = random();
    for (const size_t variable : pages_[i]) {
      const uint32_t count = variables_[variable].states;
      // Within a page, sectors stand for moments: it may have been written more than once.
      const uint64_t moment = torn ? random() : which;
      uint32_t& state = states[variable];
      switch (style) {
        case 0:  // anything
        case 1:  // any subset of the pages
          state = (moment & 1) != 0 ? count - 1 : static_cast<uint32_t>((moment >> 1) % count);
          break;
        case 2:  // as far as one
          if (i > chosen || (torn && (moment & 1) != 0)) state = 0;
          break;
        default:  // nearly everything
          if (i == chosen || (torn && (moment & 1) != 0)) {
            state = static_cast<uint32_t>((moment >> 1) % count);
          }
          break;
      }
    }
  }
  return states;
}

// The power failed while the disk wrote one of the pages (docs/durability.md, "What is assumed
// about the medium", 3).
CrashChoices::States CrashChoices::Damaged(std::mt19937_64& random) const {
  States states = random() % 2 == 0 ? Newest() : Random(random);
  const bool whole = random() % 2 == 0;
  for (const size_t variable : pages_[random() % pages_.size()]) {
    const bool damaged = whole || random() % 2 == 0;
    if (damaged && variables_[variable].kind == Variable::kSector) states[variable] = kDamaged;
  }
  return states;
}

DirectoryImage CrashChoices::Build(const States& states) const {
  std::map<RecordedDisk::FileId, FileImage> files;
  std::map<RecordedDisk::FileId, uint64_t> sizes;
  const RecordedDisk::Names* names = &names_.front();
  const auto file_of = [&](RecordedDisk::FileId id) -> FileImage& {
    const auto at = files.find(id);
    return at != files.end() ? at->second : files.emplace(id, disk_.file(id).base()).first->second;
  };
  for (size_t i = 0; i < variables_.size(); ++i) {
    const Variable& variable = variables_[i];
    if (variable.kind == Variable::kNames) names = &names_[states[i]];
    if (variable.kind == Variable::kSize) {
      sizes[variable.file] = disk_.file(variable.file).PossibleSizes()[states[i]];
    }
    if (variable.kind == Variable::kSector && states[i] > 0) {
      const auto& versions = disk_.file(variable.file).pending().at(variable.sector);
      Sector damaged;
      damaged.fill(kDamagedByte);
      file_of(variable.file)
          .WriteAt(variable.sector * kSectorBytes,
                   states[i] == kDamaged ? damaged : versions[states[i] - 1].bytes);
    }
  }
  DirectoryImage image;
  for (const auto& [name, id] : *names) {
    FileImage& file = file_of(id);
    const auto size = sizes.find(id);
    file.Resize(size != sizes.end() ? size->second : disk_.file(id).PossibleSizes().front());
    image[name] = file;
  }
  return image;
}

void CrashChoices::ForEachImage(
    std::mt19937_64& random, uint64_t exhaustive, uint64_t limit,
    const std::function<void(const DirectoryImage& image)>& function) const {
  if (Combinations(exhaustive) <= exhaustive) {
    States states = Oldest();
    while (true) {
      function(Build(states));
      size_t i = 0;
      while (i < states.size() && ++states[i] == variables_[i].states) states[i++] = 0;
      if (i == states.size()) break;
    }
    if (!pages_.empty()) function(Build(Damaged(random)));
    return;
  }
  function(Build(Newest()));
  function(Build(Oldest()));
  std::vector<Plan> plans = SystematicPlans();
  const uint64_t rest = std::max<uint64_t>(limit, 4) - 2;
  // A third of them is random in any case.
  std::shuffle(plans.begin(), plans.end(), random);
  plans.resize(std::min<uint64_t>(plans.size(), rest - rest / 3));
  while (plans.size() < rest) {
    plans.emplace_back([this, damaged = plans.size() % 4 == 0](auto& source) {
      return damaged ? Damaged(source) : Random(source);
    });
  }
  for (const Plan& plan : plans) function(Build(plan(random)));
}

}  // namespace espalier::testing
