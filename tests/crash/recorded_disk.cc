#include "tests/crash/recorded_disk.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

namespace espalier::testing {
namespace {

constexpr Sector kZeroSector{};

// Of more operations on names only the first so many are taken to have reached the disk or not in
// any combination; the others in their order.
constexpr size_t kFreeOperations = 4;

}  // namespace

RecordedFile::RecordedFile(FileImage content)
    : base_(content), latest_(std::move(content)), durable_size_(latest_.size_bytes()) {}

void RecordedFile::SeeSector(uint64_t sector, const uint8_t* bytes, Stamp stamp) {
  const uint8_t* const before =
      latest_.BlockAt(sector / kSectorsPerBlock) + sector % kSectorsPerBlock * kSectorBytes;
  if (std::memcmp(before, bytes, kSectorBytes) == 0) return;
  Version& version = pending_[sector].emplace_back();
  version.stamp = stamp;
  std::memcpy(version.bytes.data(), bytes, kSectorBytes);
}

void RecordedFile::SeeSize(uint64_t size_bytes, Stamp stamp) {
  if (size_bytes == latest_.size_bytes()) return;
  // What is cut off is zeros, should the file grow again.
  for (uint64_t sector = (size_bytes + kSectorBytes - 1) / kSectorBytes;
       sector * kSectorBytes < latest_.size_bytes(); ++sector) {
    SeeSector(sector, kZeroSector.data(), stamp);
  }
  latest_.Resize(size_bytes);
  sizes_.push_back({stamp, size_bytes});
}

void RecordedFile::SeeBytes(uint64_t offset, std::span<const uint8_t> bytes, Stamp stamp) {
  if (offset + bytes.size() > latest_.size_bytes()) SeeSize(offset + bytes.size(), stamp);
  while (!bytes.empty()) {
    const uint64_t within = offset % kImageBlockBytes;
    const uint64_t step = std::min<uint64_t>(bytes.size(), kImageBlockBytes - within);
    const uint64_t block = offset / kImageBlockBytes;
    std::array<uint8_t, kImageBlockBytes> after;
    std::memcpy(after.data(), latest_.BlockAt(block), after.size());
    if (std::memcmp(after.data() + within, bytes.data(), step) != 0) {
      std::memcpy(after.data() + within, bytes.data(), step);
      for (uint64_t i = 0; i < kSectorsPerBlock; ++i) {
        SeeSector(block * kSectorsPerBlock + i, after.data() + i * kSectorBytes, stamp);
      }
      latest_.WriteAt(offset, bytes.first(step));
    }
    offset += step;
    bytes = bytes.subspan(step);
  }
}

void RecordedFile::SectorsFlushed(uint64_t first, uint64_t end, Stamp stamp) {
  for (auto at = pending_.lower_bound(first); at != pending_.end() && at->first < end;) {
    std::vector<Version>& versions = at->second;
    const auto later = std::find_if(versions.begin(), versions.end(),
                                    [&](const Version& version) { return version.stamp > stamp; });
    if (later != versions.begin()) {
      base_.WriteAt(at->first * kSectorBytes, std::prev(later)->bytes);
      versions.erase(versions.begin(), later);
    }
    at = versions.empty() ? pending_.erase(at) : std::next(at);
  }
}

void RecordedFile::Flushed(Stamp stamp) {
  SectorsFlushed(0, ~uint64_t{0}, stamp);
  while (!sizes_.empty() && sizes_.front().stamp <= stamp) {
    durable_size_ = sizes_.front().size_bytes;
    sizes_.erase(sizes_.begin());
  }
}

void RecordedFile::RangeFlushed(uint64_t begin, uint64_t end, Stamp stamp) {
  SectorsFlushed(begin / kSectorBytes, (end + kSectorBytes - 1) / kSectorBytes, stamp);
  uint64_t newest = durable_size_;
  for (const Size& size : sizes_) {
    if (size.stamp <= stamp) newest = size.size_bytes;
  }
  const uint64_t needed = std::min(end, newest);
  std::vector<Size> possible = {{0, durable_size_}};
  for (const Size& size : sizes_) possible.push_back(size);
  std::erase_if(possible,
                [&](const Size& size) { return size.stamp <= stamp && size.size_bytes < needed; });
  durable_size_ = possible.front().size_bytes;
  sizes_.assign(possible.begin() + 1, possible.end());
}

std::vector<uint64_t> RecordedFile::PossibleSizes() const {
  std::vector<uint64_t> sizes = {durable_size_};
  for (const Size& next : sizes_) {
    const uint64_t low = std::min(sizes.back(), next.size_bytes);
    const uint64_t middle = low + (std::max(sizes.back(), next.size_bytes) - low) / 2;
    // File systems grow by blocks; nobody promises it.
    const uint64_t whole = middle / kImageBlockBytes * kImageBlockBytes;
    if (whole > low) sizes.push_back(whole);
    if (middle > low) sizes.push_back(middle / kSectorBytes * kSectorBytes + 100);
    sizes.push_back(next.size_bytes);
  }
  return sizes;
}

RecordedDisk::RecordedDisk(const DirectoryImage& image) {
  for (const auto& [name, file] : image) {
    files_.emplace(next_id_, RecordedFile(file));
    names_[name] = next_id_++;
  }
  durable_names_ = names_;
}

RecordedFile* RecordedDisk::Find(const std::string& name) {
  const auto at = names_.find(name);
  return at == names_.end() ? nullptr : &files_.at(at->second);
}

void RecordedDisk::Apply(const Operation& operation, Names& names) {
  // A name that was given to another file meanwhile is that file's.
  const auto removed = names.find(operation.removed);
  if (removed != names.end() && removed->second == operation.file) names.erase(removed);
  if (!operation.added.empty()) names[operation.added] = operation.file;
}

void RecordedDisk::Happened(Operation operation) {
  Apply(operation, names_);
  pending_.push_back(std::move(operation));
  Forget();
}

void RecordedDisk::Created(const std::string& name) {
  files_.emplace(next_id_, RecordedFile(FileImage()));
  Happened({Now(), "", name, next_id_++});
}

void RecordedDisk::Renamed(const std::string& from, const std::string& to) {
  Happened({Now(), from, to, names_.at(from)});
}

void RecordedDisk::Linked(const std::string& from, const std::string& to) {
  Happened({Now(), "", to, names_.at(from)});
}

void RecordedDisk::Removed(const std::string& name) {
  Happened({Now(), name, "", names_.at(name)});
}

void RecordedDisk::DirectoryFlushed(Stamp stamp) {
  while (!pending_.empty() && pending_.front().stamp <= stamp) {
    Apply(pending_.front(), durable_names_);
    pending_.erase(pending_.begin());
  }
  Forget();
}

// Files that no crash can bring back.
void RecordedDisk::Forget() {
  std::set<FileId> named;
  for (const auto& [name, id] : names_) named.insert(id);
  for (const auto& [name, id] : durable_names_) named.insert(id);
  for (const Operation& operation : pending_) named.insert(operation.file);
  std::erase_if(files_, [&](const auto& file) { return !named.contains(file.first); });
}

std::vector<RecordedDisk::Names> RecordedDisk::PossibleNames() const {
  const size_t free = std::min(pending_.size(), kFreeOperations);
  std::vector<Names> possible;
  for (size_t subset = 0; subset < size_t{1} << free; ++subset) {
    Names names = durable_names_;
    for (size_t i = 0; i < free; ++i) {
      if ((subset >> i & 1) != 0) Apply(pending_[i], names);
    }
    possible.push_back(std::move(names));
  }
  for (size_t i = free; i < pending_.size(); ++i) {
    Names names = possible.back();
    Apply(pending_[i], names);
    possible.push_back(std::move(names));
  }
  return possible;
}

}  // namespace espalier::testing
