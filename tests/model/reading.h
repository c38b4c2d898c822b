// Compares what a transaction reads with the model.

#ifndef ESPALIER_TESTS_MODEL_READING_H_
#define ESPALIER_TESTS_MODEL_READING_H_

#include "espalier/espalier.h"
#include "tests/model/model.h"
#include "tests/support/random_data.h"

namespace espalier::testing {

// Everything: the list of keyspaces, and each entry forwards and backwards. Failures are the
// running test's, and Same() false.
bool Same(const Transaction& txn, const Model& model);

// One random read: a lookup, a batch, a count, a rank, a cursor with some steps, a scan.
void ReadSomething(const Transaction& txn, const ModelKeyspace& keyspace, const KeyPool& pool,
                   Random& random);

KeyRange RandomRange(const KeyPool& pool, Random& random);

// Short enough to be printed.
std::string Describe(std::string_view bytes);

// Compares the cursor's entry with the one that the model expects; the end of `entries` stands for
// nowhere. `found` is what the positioning call returned.
void ExpectAt(const Cursor& cursor, bool found, const Entries& entries,
              Entries::const_iterator expected);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_MODEL_READING_H_
