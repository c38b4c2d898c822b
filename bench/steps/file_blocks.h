// Which 4 KiB blocks of a directory's files a program has changed: the denominator of write
// amplification, the same for every engine whatever way it writes.
#ifndef ESPALIER_BENCH_STEPS_FILE_BLOCKS_H_
#define ESPALIER_BENCH_STEPS_FILE_BLOCKS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace espalier::bench {

class FileBlocks {
 public:
  static constexpr uint64_t kBlockBytes = 4096;

  // Reads every file below `directory` around the page cache (O_DIRECT), whose content stays as it
  // is.
  static FileBlocks Read(const std::string& directory);

  // Bytes in blocks that differ from `before` or that `before` does not have.
  uint64_t ChangedBytesSince(const FileBlocks& before) const;

 private:
  std::map<std::string, std::vector<uint64_t>> hashes_;  // by path: a hash a block; holes hash to 0
};

// Reads every file below `directory` from its beginning to its end the ordinary way, as a backup
// would: the kernel reads ahead and keeps it all in the page cache, in large folios. Holes are
// skipped.
void ReadThroughPageCache(const std::string& directory);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_FILE_BLOCKS_H_
