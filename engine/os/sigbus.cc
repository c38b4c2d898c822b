#include "engine/os/sigbus.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <limits>
#include <utility>

#include "engine/base/fork_guard.h"
#include "engine/base/mutant.h"

namespace espalier::os {

namespace sigbus_internal {

// One guard's place in the registry. Entries are made as needed, linked once, never freed, and used
// again; a handler may look at any of them at any time.
//
// A guard changes `views` and `length` only while `armed` is false and no handler is `visiting`. A
// handler counts itself as a visitor first and looks at `armed` second; a guard that goes disarms
// first and waits for the visitors second. In the single order of these operations (all seq_cst),
// either the handler sees the guard gone, or the guard waits for the handler.
struct Entry {
  std::atomic<bool> taken{true};
  std::atomic<bool> armed{false};
  std::atomic<int> visiting{0};
  std::array<GuardedView, 2> views;
  size_t length = 0;

  // What has happened to the views. The range is empty at first: begin > end.
  std::atomic<bool> faulted{false};
  std::atomic<size_t> fault_begin{0};
  std::atomic<size_t> fault_end{0};
  std::atomic<size_t> last_fault_end{0};
  std::atomic<size_t> scattered_faults{0};

  Entry* next = nullptr;  // constant after linking
};

}  // namespace sigbus_internal

namespace {

using sigbus_internal::Entry;

// A page of zeros of its own may split a kernel mapping in three, and a process has 65530 by
// default; the embedding program needs some, too. Pages that follow each other share one.
constexpr size_t kMaxScatteredFaults = 10000;

constexpr size_t kNoFault = std::numeric_limits<size_t>::max();

constinit std::atomic<Entry*> all_entries{nullptr};

// Set before the handler is installed, so that the handler may read them without a lock.
size_t host_page_bytes = 0;
struct sigaction previous_action;

// mmap without the sanitizers' interceptors, which are not made for signal handlers.
bool MapZeros(uint8_t* begin, size_t length, bool writable) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return syscall(SYS_mmap, begin, length, protection, kFlags, -1, 0) != -1;
}

void RecordFault(Entry& entry, size_t begin, size_t end) {
  if (IsMutant(Mutant::kForgetFault)) return;
  size_t seen = entry.fault_begin.load();
  while (begin < seen && !entry.fault_begin.compare_exchange_weak(seen, begin)) {
  }
  seen = entry.fault_end.load();
  while (end > seen && !entry.fault_end.compare_exchange_weak(seen, end)) {
  }
  entry.faulted.store(true);
}

// Records the fault first, so that nobody sees the zeros without the mark.
bool CoverWithZeros(Entry& entry, const GuardedView& view, size_t begin, size_t end) {
  RecordFault(entry, begin, end);
  return MapZeros(view.base + begin, end - begin, view.writable);
}

// True if `address` lies in a view of `entry` and the access can now be repeated.
bool Cover(Entry& entry, uintptr_t address) {
  for (const GuardedView& view : entry.views) {
    const auto base = reinterpret_cast<uintptr_t>(view.base);
    if (view.base == nullptr || address < base || address - base >= entry.length) continue;
    const size_t begin = (address - base) / host_page_bytes * host_page_bytes;
    const size_t end = begin + host_page_bytes;
    const bool few_faults = entry.last_fault_end.exchange(end) == begin ||
                            entry.scattered_faults.fetch_add(1) < kMaxScatteredFaults;
    return (few_faults && CoverWithZeros(entry, view, begin, end)) ||
           CoverWithZeros(entry, view, 0, entry.length);
  }
  return false;
}

bool CoverFault(uintptr_t address) {
  for (Entry* entry = all_entries.load(); entry != nullptr; entry = entry->next) {
    entry->visiting.fetch_add(1);
    const bool covered = entry->armed.load() && Cover(*entry, address);
    entry->visiting.fetch_sub(1);
    if (covered) return true;
  }
  return false;
}

// Whether the kernel raised this SIGBUS because of memory that it could not provide. (Otherwise it
// was sent by somebody, and si_addr means nothing; or it was a misaligned access, which no mapping
// mends.)
bool IsMemoryFault(const siginfo_t& info) {
  return info.si_code == BUS_ADRERR || info.si_code == BUS_OBJERR ||
         info.si_code == BUS_MCEERR_AR || info.si_code == BUS_MCEERR_AO;
}

// Does what would have happened without our handler.
void PassOn(int signal, siginfo_t* info, void* context) {
  const bool takes_info = (previous_action.sa_flags & SA_SIGINFO) != 0;
  if (!takes_info && previous_action.sa_handler == SIG_IGN && info->si_code <= 0) return;
  if (!takes_info &&
      (previous_action.sa_handler == SIG_DFL || previous_action.sa_handler == SIG_IGN)) {
    // A fault cannot be ignored. Repeating the access, after we return, raises it again, at its
    // true address; one that was sent must be sent again.
    struct sigaction default_action = {};
    default_action.sa_handler = SIG_DFL;
    sigaction(signal, &default_action, nullptr);
    if (info->si_code <= 0) raise(signal);
    return;
  }
  // With the signal mask that the kernel would have given it; ours blocks everything. Ends with the
  // mask of the interrupted code when our handler returns.
  sigset_t mask = static_cast<ucontext_t*>(context)->uc_sigmask;
  for (int other = 1; other < NSIG; ++other) {
    if (sigismember(&previous_action.sa_mask, other) == 1) sigaddset(&mask, other);
  }
  if ((previous_action.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, signal);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  if (takes_info) {
    previous_action.sa_sigaction(signal, info, context);
  } else {
    previous_action.sa_handler(signal);
  }
}

void HandleSigbus(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (!IsMemoryFault(*info) || !CoverFault(reinterpret_cast<uintptr_t>(info->si_addr))) {
    PassOn(signal, info, context);
  }
  errno = saved_errno;
}

// The child has none of the parent's views (MADV_DONTFORK) and may get other mappings at their
// addresses.
void ForgetAllInForkChild() {
  for (Entry* entry = all_entries.load(); entry != nullptr; entry = entry->next) {
    entry->armed.store(false);
    entry->visiting.store(0);
    entry->taken.store(false);
  }
}

bool Install() {
  host_page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  static auto* const forget_in_child = new ForkHook(&ForgetAllInForkChild);
  static_cast<void>(forget_in_child);
  struct sigaction action = {};
  action.sa_sigaction = &HandleSigbus;
  // All signals wait: another handler must not leave ours by a jump while it visits an entry. On
  // the thread's alternate stack if it has one, for threads with small stacks (Go, coroutines).
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigfillset(&action.sa_mask);
  sigaction(SIGBUS, nullptr, &previous_action);
  sigaction(SIGBUS, &action, nullptr);
  return true;
}

Entry* TakeEntry() {
  for (Entry* entry = all_entries.load(); entry != nullptr; entry = entry->next) {
    bool free = false;
    if (entry->taken.compare_exchange_strong(free, true)) return entry;
  }
  auto* const entry = new Entry;
  entry->next = all_entries.load();
  while (!all_entries.compare_exchange_weak(entry->next, entry)) {
  }
  return entry;
}

}  // namespace

FaultGuard::FaultGuard(std::span<const GuardedView> views, size_t length) {
  [[maybe_unused]] static const bool installed = Install();
  fork_generation_ = ForkGeneration();
  entry_ = TakeEntry();
  assert(views.size() <= entry_->views.size());
  entry_->views = {};
  std::copy(views.begin(), views.end(), entry_->views.begin());
  entry_->length = length;
  entry_->faulted.store(false);
  entry_->fault_begin.store(kNoFault);
  entry_->fault_end.store(0);
  entry_->last_fault_end.store(0);
  entry_->scattered_faults.store(0);
  entry_->armed.store(true);
  faulted_ = &entry_->faulted;
}

FaultGuard::FaultGuard(FaultGuard&& other) noexcept
    : entry_(std::exchange(other.entry_, nullptr)),
      faulted_(std::exchange(other.faulted_, &kNeverFaulted)),
      fork_generation_(other.fork_generation_) {}

FaultGuard& FaultGuard::operator=(FaultGuard&& other) noexcept {
  if (this != &other) {
    Release();
    entry_ = std::exchange(other.entry_, nullptr);
    faulted_ = std::exchange(other.faulted_, &kNeverFaulted);
    fork_generation_ = other.fork_generation_;
  }
  return *this;
}

FaultGuard::~FaultGuard() { Release(); }

void FaultGuard::Release() {
  Entry* const entry = std::exchange(entry_, nullptr);
  faulted_ = &kNeverFaulted;
  if (entry == nullptr || fork_generation_ != ForkGeneration()) return;
  entry->armed.store(false);
  while (entry->visiting.load() != 0) sched_yield();
  entry->taken.store(false);
}

FaultedRange FaultGuard::faulted_range() const {
  if (!faulted()) return {};
  const size_t begin = entry_->fault_begin.load();
  return {.offset = begin, .length = entry_->fault_end.load() - begin};
}

}  // namespace espalier::os
