#include "engine/os/open_registry.h"

#include <compare>
#include <set>
#include <utility>

#include "engine/base/concat.h"
#include "engine/base/fork_guard.h"
#include "engine/base/mutant.h"
#include "engine/base/mutex.h"

namespace espalier::os {
namespace {

// A registration counts in the process that made it, not in its fork children.
struct OpenFile {
  uint32_t fork_generation = 0;
  FileIdentity identity;

  friend auto operator<=>(const OpenFile&, const OpenFile&) = default;
};

class OpenFiles {
 public:
  // The one of this process, never destroyed: handles may be closed while static objects are
  // destroyed.
  static OpenFiles& Get() {
    static auto* const open_files = new OpenFiles;
    return *open_files;
  }

  bool Insert(const OpenFile& file) {
    MutexLock lock(&mutex_);
    return files_.insert(file).second;
  }

  void Erase(const OpenFile& file) {
    MutexLock lock(&mutex_);
    files_.erase(file);
  }

 private:
  Mutex mutex_;
  std::set<OpenFile> files_ ABSL_GUARDED_BY(mutex_);

  // Nobody is in the middle of a change at a fork, so that the child finds the set whole and the
  // lock free. Invisible to the thread-safety analysis, as the lock is held from one call to
  // another.
  const ForkHook hook_{ForkCallbacks{
      .prepare = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex_.Lock(); },
      .parent = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex_.Unlock(); },
      .child = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex_.Unlock(); },
  }};
};

}  // namespace

absl::StatusOr<OpenFileRegistration> OpenFileRegistration::Register(FileIdentity identity,
                                                                    std::string_view path) {
  const uint32_t fork_generation = ForkGeneration();
  if (!OpenFiles::Get().Insert({.fork_generation = fork_generation, .identity = identity}) &&
      !IsMutant(Mutant::kOpenTwice)) {
    return absl::AlreadyExistsError(
        Concat("open '", path, "': this process has the file open already"));
  }
  return OpenFileRegistration(identity, fork_generation);
}

OpenFileRegistration::OpenFileRegistration(FileIdentity identity, uint32_t fork_generation)
    : registered_(true), identity_(identity), fork_generation_(fork_generation) {}

OpenFileRegistration::OpenFileRegistration(OpenFileRegistration&& other) noexcept
    : registered_(std::exchange(other.registered_, false)),
      identity_(other.identity_),
      fork_generation_(other.fork_generation_) {}

OpenFileRegistration& OpenFileRegistration::operator=(OpenFileRegistration&& other) noexcept {
  if (this != &other) {
    Release();
    registered_ = std::exchange(other.registered_, false);
    identity_ = other.identity_;
    fork_generation_ = other.fork_generation_;
  }
  return *this;
}

OpenFileRegistration::~OpenFileRegistration() { Release(); }

void OpenFileRegistration::Release() {
  if (!std::exchange(registered_, false)) return;
  OpenFiles::Get().Erase({.fork_generation = fork_generation_, .identity = identity_});
}

}  // namespace espalier::os
