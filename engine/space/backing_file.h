// The data file as the allocator sees it.
#ifndef ESPALIER_ENGINE_SPACE_BACKING_FILE_H_
#define ESPALIER_ENGINE_SPACE_BACKING_FILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "engine/page/page_source.h"

namespace espalier::space {

class BackingFile {
 public:
  virtual ~BackingFile() = default;
  // Makes the file `page_count` pages long, each new page with disk blocks and mapped (INV-6).
  virtual absl::Status Grow(uint64_t page_count) = 0;
  // The mapping that shows all of the file. Grow() may change it; the one before stays valid until
  // the running transaction ends.
  virtual const page::PageSource& source() const = 0;
  // Gives pages inside of the file disk blocks, where they were punched.
  virtual absl::Status AllocateBlocks(uint64_t first_page, uint64_t count) = 0;
  // Pages are about to be written, for the first time since they came with Grow() or were in
  // memory, or again: lets the kernel prepare for all of them at once. Only what lies in these
  // pages may be lost by it.
  virtual void PrepareNew(uint64_t first_page, uint64_t count) = 0;
  virtual void PrepareAgain(uint64_t first_page, uint64_t count) = 0;
  // Whether these pages are in memory: for as many from the first one on as are alike. Where they
  // are not, storing to one reads it before.
  struct Cached {
    bool cached;
    uint64_t count;
  };
  virtual Cached CachedFrom(uint64_t first_page, uint64_t count) const = 0;
  // From now on, only these pages themselves are written to the device because of what is stored
  // to them, and not what lies around them.
  virtual void Separate(uint64_t first_page, uint64_t count) = 0;
  // PrepareNew() for pages that are not going to be written before FinishAhead(): it may happen
  // while the writer does other things. Not a second time before that.
  virtual void PrepareNewAhead(uint64_t first_page, uint64_t count) = 0;
  // When it returns, nothing is being prepared. False if that came to nothing.
  virtual bool FinishAhead() = 0;
};

}  // namespace espalier::space

#endif  // ESPALIER_ENGINE_SPACE_BACKING_FILE_H_
