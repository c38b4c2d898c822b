// What of a directory's files would survive a loss of power: the content that is durable and, for
// each sector, each file's size and each name, what has been written since, which may have reached
// the disk or not.
//
// Everything that happens gets a stamp, ever higher. A flush covers what was there when it began:
// what other threads do while it runs may be on the disk afterwards or not.
#ifndef ESPALIER_TESTS_CRASH_RECORDED_DISK_H_
#define ESPALIER_TESTS_CRASH_RECORDED_DISK_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/crash/disk_image.h"

namespace espalier::testing {

using Stamp = uint64_t;

class RecordedFile {
 public:
  struct Version {
    Stamp stamp;
    Sector bytes;
  };
  struct Size {
    Stamp stamp;
    uint64_t size_bytes;
  };

  // All of the content is durable.
  explicit RecordedFile(FileImage content);

  // The file is seen to have this size, these bytes.
  void SeeSize(uint64_t size_bytes, Stamp stamp);
  void SeeBytes(uint64_t offset, std::span<const uint8_t> bytes, Stamp stamp);
  // As it was seen last.
  const FileImage& latest() const { return latest_; }

  // A flush of the whole file that began at `stamp` went well.
  void Flushed(Stamp stamp);
  // A flush of a range: of the size it covers only that the range is within the file.
  void RangeFlushed(uint64_t begin, uint64_t end, Stamp stamp);

  // By sector, oldest first; only what is not durable.
  const std::map<uint64_t, std::vector<Version>>& pending() const { return pending_; }
  // The sizes that a crash could leave, the durable one first, the newest one last.
  std::vector<uint64_t> PossibleSizes() const;
  // The durable content, of any size.
  const FileImage& base() const { return base_; }

 private:
  void SeeSector(uint64_t sector, const uint8_t* bytes, Stamp stamp);
  void SectorsFlushed(uint64_t first, uint64_t end, Stamp stamp);

  FileImage base_;  // of the largest possible size
  FileImage latest_;
  uint64_t durable_size_;
  std::vector<Size> sizes_;
  std::map<uint64_t, std::vector<Version>> pending_;
};

class RecordedDisk {
 public:
  using FileId = uint64_t;
  using Names = std::map<std::string, FileId>;

  // What the directory contains is durable.
  explicit RecordedDisk(const DirectoryImage& image);

  Stamp Now() { return ++stamp_; }

  // Null if there is no such name.
  RecordedFile* Find(const std::string& name);
  // Of name operations that went well.
  void Created(const std::string& name);
  void Renamed(const std::string& from, const std::string& to);
  void Linked(const std::string& from, const std::string& to);
  void Removed(const std::string& name);
  // A flush of the directory that began at `stamp` went well.
  void DirectoryFlushed(Stamp stamp);

  const Names& names() const { return names_; }
  const RecordedFile& file(FileId id) const { return files_.at(id); }

  // The directories that a crash could leave: any of the operations since the last flush may have
  // been lost. The durable one first, the newest one last.
  std::vector<Names> PossibleNames() const;

 private:
  struct Operation {
    Stamp stamp;
    std::string removed;  // empty: none
    std::string added;    // empty: none
    FileId file;
  };

  static void Apply(const Operation& operation, Names& names);
  void Happened(Operation operation);
  void Forget();

  Stamp stamp_ = 0;
  FileId next_id_ = 1;
  std::map<FileId, RecordedFile> files_;
  Names names_;
  Names durable_names_;
  std::vector<Operation> pending_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_RECORDED_DISK_H_
