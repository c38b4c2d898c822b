#include "engine/os/file_reader.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "engine/base/status_macros.h"

namespace espalier::os {
namespace {

constexpr size_t kWindowBytes = size_t{1} << 20;
// Of offsets, lengths and addresses.
constexpr size_t kAlignment = File::kUsualDirectAlignment;

}  // namespace

FileReader::FileReader(const File* file, ReadFrom from) : file_(file) {
  if (from == ReadFrom::kCache) return;
  absl::StatusOr<File> direct = file->OpenDirect();
  if (!direct.ok() || direct->DirectAlignment() > kAlignment) return;
  window_.reset(static_cast<uint8_t*>(std::aligned_alloc(kAlignment, kWindowBytes)));
  if (window_ == nullptr) throw std::bad_alloc();
  direct_ = *std::move(direct);
}

absl::StatusOr<size_t> FileReader::ReadAt(uint64_t offset, std::span<uint8_t> buffer) {
  if (!direct_.has_value()) return file_->ReadAt(offset, buffer);
  size_t done = 0;
  while (done < buffer.size()) {
    const uint64_t at = offset + done;
    if (at < window_begin_ || at >= window_begin_ + window_bytes_) {
      ESPALIER_RETURN_IF_ERROR(FillWindow(at));
      if (at >= window_begin_ + window_bytes_) break;
    }
    const size_t step = std::min<size_t>(buffer.size() - done, window_begin_ + window_bytes_ - at);
    std::memcpy(buffer.data() + done, window_.get() + (at - window_begin_), step);
    done += step;
  }
  return done;
}

absl::Status FileReader::FillWindow(uint64_t offset) {
  window_bytes_ = 0;
  window_begin_ = offset / kAlignment * kAlignment;
  ESPALIER_ASSIGN_OR_RETURN(window_bytes_,
                            direct_->ReadAt(window_begin_, {window_.get(), kWindowBytes}));
  return absl::OkStatus();
}

}  // namespace espalier::os
