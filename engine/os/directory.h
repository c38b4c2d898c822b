// Names of files: what it takes to let a file appear under its name whole and durable (INV-14).
//
//   std::string temporary = TemporaryNameBeside(path)
//   File file = File::CreateExclusive(temporary)  // write it, file.SyncAll()
//   RenameNoReplace(temporary, path)
//   SyncDirectoryOf(path)
//
// Errors as in engine/os/error.h. Thread-safe.

#ifndef ESPALIER_ENGINE_OS_DIRECTORY_H_
#define ESPALIER_ENGINE_OS_DIRECTORY_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::os {

// A fresh name ".espalier-new-…" in the directory of `path`.
absl::StatusOr<std::string> TemporaryNameBeside(std::string_view path);

// Renames `from` to `to` in one step. kAlreadyExists if there is anything called `to`, and both
// stay. On file systems without RENAME_NOREPLACE, a link and an unlink: a crash between may leave
// both names.
absl::Status RenameNoReplace(std::string_view from, std::string_view to);

// Makes the directory entry of `path` (there or removed) survive power loss.
absl::Status SyncDirectoryOf(std::string_view path);

// Renames a file, in the place of any other one of that name.
absl::Status RenameReplacing(std::string_view from, std::string_view to);

// Removes the name of a file. kNotFound if there is none.
absl::Status Remove(const std::string& path);

// Removes it if it is there and can be. Needs no memory, so that it can clean up after memory ran
// out.
void Discard(const std::string& path) noexcept;

// The absolute path of `path` with symbolic links resolved, so that companions (NAME-wal,
// NAME-lock) lie beside the file itself. The last component may be missing; its directory may not
// (kNotFound).
absl::StatusOr<std::string> CanonicalPath(std::string_view path);

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_DIRECTORY_H_
