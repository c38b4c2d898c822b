#include "tests/crash/crash_recorder.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace espalier::testing {
namespace {

using os::SystemCallKind;

// docs/file-format.md, "Checkpoint slots".
constexpr uint64_t kSlotOffsets[2] = {16384, 32768};
constexpr uint64_t kSequenceInSlot = 32;
constexpr uint64_t kVersionInSlot = 40;

uint64_t Load(const uint8_t* at) {
  uint64_t number;
  std::memcpy(&number, at, sizeof(number));
  return number;
}

bool IsSlot(uint64_t offset) { return offset == kSlotOffsets[0] || offset == kSlotOffsets[1]; }

}  // namespace

CrashRecorder::CrashRecorder(const MemoryFile& file, Lie lie, CrashPoint crash_point)
    : file_(file),
      lie_(lie),
      crash_point_(std::move(crash_point)),
      durable_(file.Content()),
      latest_(durable_) {
  const uint8_t* newest = nullptr;
  for (const uint64_t offset : kSlotOffsets) {
    const uint8_t* const slot = durable_.data() + offset;
    if (newest == nullptr || Load(slot + kSequenceInSlot) > Load(newest + kSequenceInSlot)) {
      newest = slot;
    }
  }
  durable_version_ = Load(newest + kVersionInSlot);
  os::SetSystemCallObserverForTesting(this);
}

CrashRecorder::~CrashRecorder() { os::SetSystemCallObserverForTesting(nullptr); }

CrashRecorder::Page CrashRecorder::PageOf(const Bytes& bytes, uint64_t page) const {
  Page result(kPageBytes, 0);
  const uint64_t begin = std::min<uint64_t>(page * kPageBytes, bytes.size());
  const uint64_t end = std::min<uint64_t>((page + 1) * kPageBytes, bytes.size());
  std::copy(bytes.begin() + static_cast<ptrdiff_t>(begin),
            bytes.begin() + static_cast<ptrdiff_t>(end), result.begin());
  return result;
}

void CrashRecorder::Sample() {
  Bytes now = file_.Content();
  const uint64_t pages = (std::max(now.size(), latest_.size()) + kPageBytes - 1) / kPageBytes;
  for (uint64_t page = 0; page < pages; ++page) {
    const uint64_t offset = page * kPageBytes;
    if (offset + kPageBytes <= std::min(now.size(), latest_.size()) &&
        std::memcmp(now.data() + offset, latest_.data() + offset, kPageBytes) == 0) {
      continue;
    }
    Page content = PageOf(now, page);
    if (offset < latest_.size() && content == PageOf(latest_, page)) continue;
    pending_[page].push_back(std::move(content));
  }
  if (now.size() != latest_.size()) pending_sizes_.push_back(now.size());
  latest_ = std::move(now);
}

void CrashRecorder::Flushed(uint64_t offset, uint64_t length) {
  const uint64_t first = offset / kPageBytes;
  const uint64_t last = (offset + length + kPageBytes - 1) / kPageBytes;
  // A flush of any part makes the size durable.
  durable_.resize(latest_.size());
  pending_sizes_.clear();
  for (auto page = pending_.lower_bound(first); page != pending_.end() && page->first < last;) {
    const uint64_t at = page->first * kPageBytes;
    if (at < latest_.size()) {
      const uint64_t bytes = std::min<uint64_t>(kPageBytes, latest_.size() - at);
      std::memcpy(durable_.data() + at, latest_.data() + at, bytes);
    }
    page = pending_.erase(page);
  }
  // What lies past the end is gone.
  pending_.erase(pending_.lower_bound((latest_.size() + kPageBytes - 1) / kPageBytes),
                 pending_.end());
}

int CrashRecorder::BeforeCall(const os::SystemCall& call) {
  if (!IsOurs(call)) return 0;
  switch (call.kind) {
    case SystemCallKind::kWrite:
      Sample();
      if (IsSlot(call.offset) && call.data.size() >= kVersionInSlot + 8) {
        crash_point_("before the slot is written");
        const uint64_t version = Load(call.data.data() + kVersionInSlot);
        written_version_ = version;
        written_slot_ = call.offset;
      }
      break;
    case SystemCallKind::kSyncMapping:
    case SystemCallKind::kSyncData:
    case SystemCallKind::kSyncAll:
      Sample();
      crash_point_("before a flush");
      break;
    case SystemCallKind::kTruncate:
    case SystemCallKind::kPunchHole:
      Sample();
      crash_point_("before space is given back");
      break;
    default:
      break;
  }
  return 0;
}

void CrashRecorder::AfterCall(const os::SystemCall& call, int result_errno) {
  if (!IsOurs(call) || result_errno != 0) return;
  switch (call.kind) {
    case SystemCallKind::kWrite:
      Sample();
      if (IsSlot(call.offset)) crash_point_("after the slot is written");
      break;
    case SystemCallKind::kSyncMapping: {
      const bool covers_slot = written_version_.has_value() && call.offset <= written_slot_ &&
                               written_slot_ < call.offset + call.length;
      const bool is_slot_only = IsSlot(call.offset) && call.length <= kPageBytes;
      ++(is_slot_only ? slot_flushes_ : data_flushes_);
      if (!(lie_ == Lie::kDataIsNotFlushed && !is_slot_only) &&
          !(lie_ == Lie::kSlotIsNotFlushed && is_slot_only)) {
        Flushed(call.offset, call.length);
      }
      if (covers_slot) {
        durable_version_ = *written_version_;
        written_version_.reset();
      }
      crash_point_(is_slot_only ? "after the slot's flush" : "after the flush of the data");
      break;
    }
    case SystemCallKind::kSyncData:
    case SystemCallKind::kSyncAll:
      Flushed(0, latest_.size());
      break;
    case SystemCallKind::kTruncate:
    case SystemCallKind::kPunchHole:
      Sample();
      crash_point_("after space was given back");
      break;
    default:
      break;
  }
}

void CrashRecorder::ForEachImage(std::mt19937_64& random, size_t limit,
                                 const std::function<void(const Bytes& image)>& function) {
  std::vector<uint64_t> pages;
  for (const auto& [page, states] : pending_) pages.push_back(page);
  std::vector<uint64_t> sizes = pending_sizes_;
  sizes.push_back(durable_.size());
  const auto make = [&](const std::vector<const Page*>& contents, uint64_t size) {
    Bytes image = durable_;
    image.resize(std::max<uint64_t>(image.size(), size));
    for (size_t i = 0; i < pages.size(); ++i) {
      const uint64_t at = pages[i] * kPageBytes;
      if (contents[i] == nullptr || at >= image.size()) continue;
      std::memcpy(image.data() + at, contents[i]->data(),
                  std::min<uint64_t>(kPageBytes, image.size() - at));
    }
    image.resize(size);
    function(image);
  };
  const auto last_state = [&](size_t i) { return &pending_.at(pages[i]).back(); };
  const auto some_size = [&] { return sizes[random() % sizes.size()]; };

  std::vector<const Page*> contents(pages.size());
  const bool exhaustive = pages.size() < 20 && (size_t{1} << pages.size()) <= limit;
  if (exhaustive) {
    for (uint64_t subset = 0; subset < uint64_t{1} << pages.size(); ++subset) {
      for (size_t i = 0; i < pages.size(); ++i) {
        contents[i] = (subset >> i & 1) != 0 ? last_state(i) : nullptr;
      }
      for (const uint64_t size : sizes) make(contents, size);
    }
  }
  // All of them, none, and random ones: with older states of the pages, and torn.
  const size_t random_images = exhaustive ? std::min<size_t>(limit, 4 * pages.size()) : limit;
  std::vector<Page> torn(pages.size());
  for (size_t n = 0; n < random_images; ++n) {
    const uint64_t style = n < 2 ? n : 2 + random() % 4;
    const size_t chosen = pages.empty() ? 0 : random() % pages.size();
    for (size_t i = 0; i < pages.size(); ++i) {
      const std::vector<Page>& states = pending_.at(pages[i]);
      const Page* const state =
          random() % 4 == 0 ? &states[random() % states.size()] : last_state(i);
      switch (style) {
        case 0:
          contents[i] = last_state(i);
          break;
        case 1:
          contents[i] = nullptr;
          break;
        case 2:
          contents[i] = random() % 2 == 0 ? state : nullptr;
          break;  // any subset
        case 3:
          contents[i] = i == chosen ? nullptr : state;
          break;  // all but one
        case 4:
          contents[i] = i == chosen ? state : nullptr;
          break;  // one
        default:
          contents[i] = i <= chosen ? state : nullptr;
          break;  // as far as one
      }
      if (contents[i] != nullptr && style > 1 && random() % 8 == 0) {
        // Some sectors of the page as they were before.
        torn[i] = PageOf(durable_, pages[i]);
        const uint64_t sectors = random() % 2 == 0 ? random() : (uint64_t{1} << random() % 9) - 1;
        for (uint64_t sector = 0; sector < kPageBytes / kSectorBytes; ++sector) {
          if ((sectors >> sector & 1) == 0) continue;
          std::memcpy(torn[i].data() + sector * kSectorBytes,
                      contents[i]->data() + sector * kSectorBytes, kSectorBytes);
        }
        contents[i] = &torn[i];
      }
    }
    make(contents, n == 0 && !pending_sizes_.empty() ? pending_sizes_.back() : some_size());
  }
}

}  // namespace espalier::testing
