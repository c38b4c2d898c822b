#include "tests/hostile/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace espalier::testing {
namespace {

void Check(bool went_well, const std::string& what) {
  if (went_well) return;
  perror(what.c_str());
  abort();
}

}  // namespace

Bytes ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Check(in.good(), path);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

void WriteFile(const std::string& path, std::span<const uint8_t> bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  Check(out.good(), path);
}

MemoryFile::MemoryFile() : fd_(memfd_create("espalier-test", MFD_CLOEXEC)) {
  Check(fd_ != -1, "memfd_create");
  path_ = "/proc/self/fd/" + std::to_string(fd_);
}

MemoryFile::~MemoryFile() { close(fd_); }

void MemoryFile::SetContent(std::span<const uint8_t> bytes) {
  Resize(bytes.size());
  WriteAt(0, bytes);
}

Bytes MemoryFile::Content() const {
  Bytes bytes(size_bytes());
  Check(pread(fd_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "pread");
  return bytes;
}

uint64_t MemoryFile::size_bytes() const {
  struct stat info;
  Check(fstat(fd_, &info) == 0, "fstat");
  return static_cast<uint64_t>(info.st_size);
}

// They change the file, though no member. NOLINTBEGIN(readability-make-member-function-const)

void MemoryFile::Resize(uint64_t size_bytes) {
  Check(ftruncate(fd_, static_cast<off_t>(size_bytes)) == 0, "ftruncate");
}

void MemoryFile::WriteAt(uint64_t offset, std::span<const uint8_t> bytes) {
  Check(pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
            static_cast<ssize_t>(bytes.size()),
        "pwrite");
}

// NOLINTEND(readability-make-member-function-const)

}  // namespace espalier::testing
