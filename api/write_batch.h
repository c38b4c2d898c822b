// Changes collected without a transaction, to be committed at once by Database::Write(). Many
// changes that need nothing read first are faster this way than in a WriteTransaction of their own.
//
//   espalier::WriteBatch batch;
//   batch.Put(db.default_keyspace(), "pear", "cordon");
//   batch.Delete(db.default_keyspace(), "quince");
//   absl::StatusOr<espalier::CommitToken> token = db.Write(batch);
#ifndef ESPALIER_API_WRITE_BATCH_H_
#define ESPALIER_API_WRITE_BATCH_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "espalier/export.h"
#include "espalier/keyspace.h"

namespace espalier {

namespace log {
class RedoBuffer;
}

// One thread at a time. Keys and values are copied. Of several changes of a key the last counts.
// What is wrong with a change (an empty key, a handle of another database) Write() will say.
class ESPALIER_EXPORT WriteBatch {
 public:
  WriteBatch();
  WriteBatch(WriteBatch&&) noexcept;
  WriteBatch& operator=(WriteBatch&&) noexcept;
  ~WriteBatch();

  void Put(const Keyspace& keyspace, std::string_view key, std::string_view value);
  // Does nothing where there is no such key.
  void Delete(const Keyspace& keyspace, std::string_view key);
  void DeleteRange(const Keyspace& keyspace, const KeyRange& range);

  void Clear();
  bool empty() const;
  // Of keys, values and some bytes for each change.
  size_t size_bytes() const;

 private:
  friend class Database;
  // Notes the keyspace's database. False if it is another one than the batch's.
  bool Accept(const Keyspace& keyspace);

  std::unique_ptr<log::RedoBuffer> operations_;
  uint64_t database_ = 0;
  absl::Status status_;
};

}  // namespace espalier

#endif  // ESPALIER_API_WRITE_BATCH_H_
