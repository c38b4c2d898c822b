// Which files this process has open as databases. Opening one twice would give it two writers that
// know nothing of each other, so the second is refused. Lock files cannot tell: they only see that
// the file is locked, not by whom; so register before locking.
//
//   ESPALIER_ASSIGN_OR_RETURN(OpenFileRegistration open,
//                             OpenFileRegistration::Register(file.Identity(), file.path()));

#ifndef ESPALIER_ENGINE_OS_OPEN_REGISTRY_H_
#define ESPALIER_ENGINE_OS_OPEN_REGISTRY_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/os/file.h"

namespace espalier::os {

// The entry of one open file, from Register to destruction. Destroy it before the file is closed,
// or the inode's number may already belong to another file. Thread-safe. A fork child starts with
// nothing registered; what it inherited means nothing there.
class OpenFileRegistration {
 public:
  // kAlreadyExists if this process has a registration for `identity`. `path` is for the message.
  static absl::StatusOr<OpenFileRegistration> Register(FileIdentity identity,
                                                       std::string_view path);

  OpenFileRegistration(OpenFileRegistration&& other) noexcept;
  OpenFileRegistration& operator=(OpenFileRegistration&& other) noexcept;
  ~OpenFileRegistration();

 private:
  OpenFileRegistration(FileIdentity identity, uint32_t fork_generation);
  void Release();

  bool registered_ = false;
  FileIdentity identity_;
  uint32_t fork_generation_ = 0;
};

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_OPEN_REGISTRY_H_
