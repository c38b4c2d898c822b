// Copies the newest version of a database into a new file, in key order and packed.
#ifndef ESPALIER_ENGINE_TXN_COPY_H_
#define ESPALIER_ENGINE_TXN_COPY_H_

#include <string>

#include "absl/status/status.h"
#include "engine/txn/engine.h"

namespace espalier::txn {

// kAlreadyExists if there is a file at `path`. After an error nothing is left there. Progress
// counts entries. Readers and the writer of the source go on.
absl::Status CopyDatabase(Engine& source, const std::string& path,
                          const ProgressFunction& progress);

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_COPY_H_
