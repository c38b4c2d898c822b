#include "tests/crash/crash_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace espalier::testing {
namespace {

using os::SystemCallKind;

// docs/file-format.md, "Checkpoint slots".
constexpr uint64_t kSlotOffsets[2] = {16384, 32768};
constexpr size_t kLookBytes = size_t{64} << 10;

bool IsSlot(const os::SystemCall& call) {
  return (call.offset == kSlotOffsets[0] || call.offset == kSlotOffsets[1]) &&
         call.length <= kImageBlockBytes;
}

bool IsLog(std::string_view path) { return path.ends_with("-wal"); }

}  // namespace

CrashRecorder::CrashRecorder(std::string directory, LogWay log_way, uint64_t seed,
                             CrashPoint crash_point)
    : directory_(std::move(directory)),
      log_way_(log_way),
      crash_point_(std::move(crash_point)),
      disk_(ReadDirectory(directory_)),
      buffer_(kLookBytes),
      random_(seed) {}

void CrashRecorder::set_lie(Lie lie) {
  const std::lock_guard lock(mutex_);
  lie_ = lie;
}

void CrashRecorder::set_crash_one_in(uint64_t one_in) {
  const std::lock_guard lock(mutex_);
  crash_one_in_ = one_in;
}

void CrashRecorder::set_witness(os::SystemCallObserver* witness) {
  const std::lock_guard lock(mutex_);
  witness_ = witness;
}

bool CrashRecorder::Chosen() { return crash_one_in_ != 0 && random_() % crash_one_in_ == 0; }

CrashRecorder::Counts CrashRecorder::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

// Images are opened under this observer, too; they are elsewhere.
bool CrashRecorder::IsOurs(std::string_view path) const {
  return path.starts_with(directory_) &&
         (path.size() == directory_.size() || path[directory_.size()] == '/');
}

std::string CrashRecorder::NameOf(std::string_view path) const {
  return path.size() > directory_.size() ? std::string(path.substr(directory_.size() + 1)) : "";
}

// The log opens a file past the page cache just after it has mapped it.
bool CrashRecorder::RefusesDirect(const os::SystemCall& call) {
  // It has the name of a temporary one when it is new.
  const bool log = IsLog(call.path) || call.path.find("/.espalier-new-") != call.path.npos;
  if (call.kind == SystemCallKind::kMap && log) mapped_ = call.path;
  if (call.kind != SystemCallKind::kOpen || call.path != mapped_) return false;
  mapped_.clear();
  return log_way_ == LogWay::kMappedOnly;
}

bool CrashRecorder::Lies(const os::SystemCall& call) const {
  const bool mapping = call.kind == SystemCallKind::kSyncMapping;
  switch (lie_) {
    case Lie::kNone:
      return false;
    case Lie::kDataIsNotFlushed:
      return mapping && !IsLog(call.path) && !IsSlot(call);
    case Lie::kSlotIsNotFlushed:
      return mapping && !IsLog(call.path) && IsSlot(call);
    case Lie::kLogIsNotFlushed:
      return call.kind != SystemCallKind::kWrite && IsLog(call.path);
    case Lie::kDirectIsNotDurable:
      return call.kind == SystemCallKind::kWrite;
    case Lie::kNamesAreNotFlushed:
      return IsDirectory(call);
  }
  return false;
}

void CrashRecorder::Count(const os::SystemCall& call) {
  if (call.kind == SystemCallKind::kWrite && call.durable) ++counts_.direct_writes;
  if (call.kind != SystemCallKind::kSyncMapping) return;
  if (IsLog(call.path)) {
    ++counts_.log_flushes;
  } else {
    ++(IsSlot(call) ? counts_.slot_flushes : counts_.data_flushes);
  }
}

void CrashRecorder::LookAtAll() {
  std::vector<std::string> names;
  for (const auto& [name, id] : disk_.names()) names.push_back(name);
  for (const std::string& name : names) LookAt(name);
}

void CrashRecorder::LookAt(const std::string& name) {
  RecordedFile* const file = disk_.Find(name);
  if (file == nullptr) return;
  const int fd = open((directory_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd == -1) return;  // another thread is removing or renaming it just now
  struct stat info;
  const bool known = fstat(fd, &info) == 0;
  const Stamp stamp = disk_.Now();
  if (known) file->SeeSize(static_cast<uint64_t>(info.st_size), stamp);
  const FileImage& latest = file->latest();
  for (uint64_t offset = 0; offset < latest.size_bytes(); offset += kLookBytes) {
    const ssize_t count = pread(fd, buffer_.data(), kLookBytes, static_cast<off_t>(offset));
    if (count <= 0) break;
    const uint64_t length = std::min(static_cast<uint64_t>(count), latest.size_bytes() - offset);
    for (const auto& [thread, write] : direct_writes_) {
      if (write.name != name || write.offset >= offset + length ||
          offset >= write.offset + write.data.size()) {
        continue;
      }
      const uint64_t begin = std::max(write.offset, offset);
      const uint64_t end = std::min(write.offset + write.data.size(), offset + length);
      std::memcpy(buffer_.data() + (begin - offset), write.data.data() + (begin - write.offset),
                  end - begin);
    }
    file->SeeBytes(offset, std::span(buffer_).first(length), stamp);
  }
  close(fd);
}

void CrashRecorder::Crash(std::string_view where) {
  const std::lock_guard lock(mutex_);
  if (!Chosen()) return;
  LookAtAll();
  crash_point_(where, disk_);
}

// What a flush covers is what was there when it began, all of which must be known; of the other
// files only what an image is made of.
void CrashRecorder::CrashDuring(const os::SystemCall& call) {
  const std::thread::id thread = std::this_thread::get_id();
  const bool chosen = Chosen();
  if (chosen) LookAtAll();
  if (call.kind == SystemCallKind::kWrite) {
    const std::string name = NameOf(call.path);
    direct_writes_[thread] = {name, call.offset, call.data};
    begun_[thread] = disk_.Now();
    if (RecordedFile* const file = disk_.Find(name)) {
      file->SeeBytes(call.offset, call.data, begun_[thread]);
    }
  } else {
    if (!chosen) LookAt(NameOf(call.path));
    begun_[thread] = disk_.Now();
  }
  if (!chosen) return;
  crash_point_(call.kind == SystemCallKind::kWrite ? "during a direct write"
               : IsDirectory(call)                 ? "during a flush of the directory"
               : IsLog(call.path)                  ? "during a flush of the log"
               : IsSlot(call)                      ? "during a flush of a slot"
                                                   : "during a flush of the data",
               disk_);
}

int CrashRecorder::BeforeCall(const os::SystemCall& call) {
  if (!IsOurs(call.path)) return 0;
  const std::lock_guard lock(mutex_);
  if (witness_ != nullptr) witness_->BeforeCall(call);
  if (RefusesDirect(call)) return EINVAL;
  switch (call.kind) {
    case SystemCallKind::kWrite:
      if (call.durable) CrashDuring(call);
      break;
    case SystemCallKind::kSyncMapping:
    case SystemCallKind::kSyncData:
    case SystemCallKind::kSyncAll:
      CrashDuring(call);
      break;
    case SystemCallKind::kTruncate:
    case SystemCallKind::kPunchHole:
    case SystemCallKind::kRename:
    case SystemCallKind::kRemove:
      LookAt(NameOf(call.path));
      break;
    default:
      break;
  }
  return 0;
}

void CrashRecorder::AfterCall(const os::SystemCall& call, int result_errno) {
  if (!IsOurs(call.path)) return;
  const std::lock_guard lock(mutex_);
  if (witness_ != nullptr) witness_->AfterCall(call, result_errno);
  const std::string name = NameOf(call.path);
  if (call.kind == SystemCallKind::kWrite) return WriteReturned(call, result_errno == 0);
  if (result_errno != 0) return;
  switch (call.kind) {
    case SystemCallKind::kTruncate:
    case SystemCallKind::kPunchHole:
    case SystemCallKind::kAllocate:
      LookAt(name);
      break;
    case SystemCallKind::kSyncMapping:
    case SystemCallKind::kSyncData:
    case SystemCallKind::kSyncAll:
      Flushed(call);
      break;
    case SystemCallKind::kCreate:
      disk_.Created(name);
      break;
    case SystemCallKind::kRename:
      disk_.Renamed(name, NameOf(call.second_path));
      break;
    case SystemCallKind::kLink:
      disk_.Linked(name, NameOf(call.second_path));
      break;
    case SystemCallKind::kRemove:
      disk_.Removed(name);
      break;
    default:
      break;
  }
}

void CrashRecorder::WriteReturned(const os::SystemCall& call, bool done) {
  RecordedFile* const file = disk_.Find(NameOf(call.path));
  if (!call.durable) {
    // Should it have been a part only, the next one brings the rest.
    if (done && file != nullptr) file->SeeBytes(call.offset, call.data, disk_.Now());
    return;
  }
  Count(call);
  const std::thread::id thread = std::this_thread::get_id();
  direct_writes_.erase(thread);
  if (done && file != nullptr && !Lies(call)) {
    file->RangeFlushed(call.offset, call.offset + call.data.size(), begun_[thread]);
  }
}

void CrashRecorder::Flushed(const os::SystemCall& call) {
  Count(call);
  const Stamp stamp = begun_[std::this_thread::get_id()];
  if (Lies(call)) return;
  if (IsDirectory(call)) return disk_.DirectoryFlushed(stamp);
  RecordedFile* const file = disk_.Find(NameOf(call.path));
  if (file == nullptr) return;
  if (call.kind == SystemCallKind::kSyncMapping) {
    file->RangeFlushed(call.offset, call.offset + call.length, stamp);
  } else {
    file->Flushed(stamp);
  }
}

}  // namespace espalier::testing
