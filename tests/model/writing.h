// Random changes, made to a write transaction and to the model alike.

#ifndef ESPALIER_TESTS_MODEL_WRITING_H_
#define ESPALIER_TESTS_MODEL_WRITING_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "espalier/espalier.h"
#include "tests/model/model.h"
#include "tests/support/random_data.h"

namespace espalier::testing {

class Writing {
 public:
  // `model` is changed with the transaction: a copy of what holds without it. All must outlive the
  // object.
  Writing(WriteTransaction* txn, Model* model, const KeyPool* pool, Random* random,
          size_t page_bytes, size_t max_value_bytes)
      : txn_(*txn),
        model_(*model),
        pool_(*pool),
        random_(*random),
        page_bytes_(page_bytes),
        max_value_bytes_(max_value_bytes) {}

  // One random operation, perhaps only a read. Failures are the running test's.
  void DoSomething();
  // Its name and arguments, for messages.
  const std::string& last() const { return last_; }

 private:
  // A cursor that stays open while the transaction goes on, and where it must be.
  struct TrackedCursor {
    WriteCursor cursor;
    uint64_t keyspace;
    std::optional<std::string> key;  // perhaps deleted by now; absent: the cursor stands nowhere
  };

  ModelKeyspace& AnyKeyspace();
  std::string Value() { return RandomValue(random_, page_bytes_, max_value_bytes_); }
  void Note(std::string_view operation, const ModelKeyspace& keyspace, std::string_view key = {});

  void Put(ModelKeyspace& keyspace);
  void PutView(ModelKeyspace& keyspace);
  void PutIfAbsent(ModelKeyspace& keyspace);
  void CompareAndSwap(ModelKeyspace& keyspace);
  void Reserve(ModelKeyspace& keyspace);
  void Append(ModelKeyspace& keyspace);
  void Delete(ModelKeyspace& keyspace);
  void DeleteRange(ModelKeyspace& keyspace);
  void OpenTrackedCursor(ModelKeyspace& keyspace);
  void MoveTrackedCursor();
  void ChangeKeyspaces();
  void CreateKeyspace();
  void DropKeyspace(ModelKeyspace& keyspace);
  void RenameKeyspace(ModelKeyspace& keyspace);

  WriteTransaction& txn_;
  Model& model_;
  const KeyPool& pool_;
  Random& random_;
  const size_t page_bytes_;
  const size_t max_value_bytes_;
  std::vector<TrackedCursor> cursors_;
  std::string last_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_MODEL_WRITING_H_
