#include "tests/kill/plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/support/numbered_value.h"
#include "tests/support/random_data.h"

namespace espalier::testing {
namespace {

uint64_t OwnerOf(const CommitName& name) {
  return name.seed * kWriterThreads + static_cast<uint64_t>(name.thread);
}

// Most are small; with a log of 1 MiB, the largest do not go through it.
size_t PickValueBytes(Random& random) {
  const uint64_t kind = Below(random, 100);
  if (kind < 70) return Below(random, 200);
  if (kind < 92) return 200 + Below(random, 4000);
  if (kind < 99) return 4000 + Below(random, 60000);
  return 100000 + Below(random, 100000);
}

}  // namespace

std::vector<Operation> OperationsOf(const CommitName& name) {
  using Kind = Operation::Kind;
  // One megabyte and more comes and goes, so that there is space to give back.
  if (name.thread == 0 && name.number % 16 == 5) return {{Kind::kPut, 0, 1500000}};
  if (name.thread == 0 && name.number % 16 == 11) return {{Kind::kDelete, 0}};
  if (name.thread == kAppendingThread && name.number % 12 == 9) return {{Kind::kDeleteBatch}};
  if (name.thread == kAppendingThread && name.number % 12 == 6) {
    // Three of them fill a leaf: so many leaves that the log refers to them.
    return {{Kind::kAppendBatch, 0, 1200, 150}};
  }
  Random random(Scramble(OwnerOf(name)) + name.number);
  if (OneIn(random, 40)) return {{Kind::kDeleteAllSlots}};
  std::vector<Operation> operations(1 + Below(random, 4));
  for (Operation& operation : operations) {
    const int slot = static_cast<int>(Below(random, kSlots));
    if (OneIn(random, 5)) {
      operation = {Kind::kDelete, slot};
    } else {
      operation = {OneIn(random, 10) ? Kind::kReserve : Kind::kPut, slot, PickValueBytes(random)};
    }
  }
  return operations;
}

Durability DurabilityOf(const CommitName& name) {
  // Where it does so only from far more leaves on, they would not go through a log of 1 MiB.
  if (OperationsOf(name).front().kind == Operation::Kind::kAppendBatch) return Durability::kAsync;
  return Scramble(OwnerOf(name) * 31 + name.number) % 2 == 0 ? Durability::kSync
                                                             : Durability::kAsync;
}

bool IsWrittenAtOnce(const CommitName& name) {
  const std::vector<Operation> operations = OperationsOf(name);
  const bool possible =
      std::none_of(operations.begin(), operations.end(), [](const Operation& operation) {
        return operation.kind == Operation::Kind::kReserve ||
               operation.kind == Operation::Kind::kAppendBatch;
      });
  return possible && Scramble(OwnerOf(name) * 37 + name.number) % 2 == 0;
}

std::string ValueOf(const CommitName& name, int slot, size_t value_bytes) {
  return NumberedValue(OwnerOf(name), name.number, static_cast<uint64_t>(slot), value_bytes);
}

std::string LastKey(int thread) { return absl::StrCat("t", thread, "/last"); }

std::string SlotKey(int thread, int slot) {
  return absl::StrCat("t", thread, slot < 10 ? "/0" : "/", slot);
}

KeyRange SlotKeys(int thread) { return KeyRange::Between(SlotKey(thread, 0), LastKey(thread)); }

KeyRange KeysOf(int thread) {
  return KeyRange::Between(absl::StrCat("t", thread, "/"), absl::StrCat("t", thread, "0"));
}

// In the order of their numbers.
std::string BatchKey(uint64_t number, int entry) {
  return absl::StrFormat("zz/%012d/%04d", number, entry);
}

KeyRange BatchKeys() { return KeyRange::Between("zz/", "zz0"); }

void ThreadModel::AdvanceTo(uint64_t number) {
  while (number_ < number) {
    ++number_;
    if (!IsWrittenAtOnce({seed_, thread_, number_})) ++transactions_;
    for (const Operation& operation : OperationsOf({seed_, thread_, number_})) {
      switch (operation.kind) {
        case Operation::Kind::kPut:
        case Operation::Kind::kReserve:
          slots_[static_cast<size_t>(operation.slot)] = {number_, operation.value_bytes};
          break;
        case Operation::Kind::kDelete:
          slots_[static_cast<size_t>(operation.slot)].reset();
          break;
        case Operation::Kind::kDeleteAllSlots:
          slots_ = {};
          break;
        case Operation::Kind::kAppendBatch:
          batch_ = {number_, operation.entries, operation.value_bytes};
          break;
        case Operation::Kind::kDeleteBatch:
          batch_.reset();
          break;
      }
    }
  }
}

std::optional<std::string> ThreadModel::Value(int slot) const {
  const std::optional<Written>& written = slots_[static_cast<size_t>(slot)];
  if (!written.has_value()) return std::nullopt;
  return ValueOf({seed_, thread_, written->number}, slot, written->value_bytes);
}

uint64_t ThreadModel::Entries() const {
  uint64_t entries = number_ > 0 ? 1 : 0;
  for (const std::optional<Written>& slot : slots_) entries += slot.has_value() ? 1 : 0;
  return entries;
}

std::string ThreadModel::BatchValue(int entry) const {
  return ValueOf({seed_, thread_, batch_->number}, entry, batch_->value_bytes);
}

}  // namespace espalier::testing
