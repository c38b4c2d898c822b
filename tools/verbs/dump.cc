// dump DATABASE: writes everything as the text that `load` and mdb_load read; with --salvage
// whatever a damaged file still holds.
#include <sys/stat.h>

#include <memory>
#include <optional>

#include "espalier/salvage.h"
#include "tools/cli/figures.h"
#include "tools/cli/long_work.h"
#include "tools/text/dump_writer.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct DumpArguments {
  bool print = false;
  bool salvage = false;
};

DumpEncoding EncodingOf(const DumpArguments& arguments) {
  return arguments.print ? DumpEncoding::kPrint : DumpEncoding::kBytevalue;
}

// All keyspaces or the one asked for. An empty default keyspace beside others is left out: every
// database has one.
absl::StatusOr<std::vector<KeyspaceInfo>> KeyspacesToDump(const ReadTransaction& txn,
                                                          const Invocation& invocation) {
  if (invocation.keyspace_argument) {
    if (const auto found = FindKeyspace(txn, invocation); !found.ok()) return found.status();
  }
  absl::StatusOr<std::vector<KeyspaceInfo>> keyspaces = txn.ListKeyspaces();
  if (!keyspaces.ok()) return keyspaces.status();
  const size_t all = keyspaces->size();
  std::erase_if(*keyspaces, [&](const KeyspaceInfo& info) {
    if (invocation.keyspace_argument) return info.name != *invocation.keyspace_argument;
    return info.name.empty() && info.entries == 0 && all > 1;
  });
  return keyspaces;
}

DumpedSize SizeOf(const std::vector<KeyspaceInfo>& keyspaces, uint64_t file_bytes) {
  DumpedSize size{.file_bytes = file_bytes};
  for (const KeyspaceInfo& info : keyspaces) {
    size.entries += info.entries;
    size.compressed |= info.options.compress_values_from_bytes != 0;
  }
  return size;
}

absl::Status DumpKeyspaces(Invocation& invocation, const ReadTransaction& txn,
                           const std::vector<KeyspaceInfo>& keyspaces, const DumpedSize& size,
                           DumpEncoding encoding) {
  DumpWriter writer(invocation.output, LmdbMapSize(size));
  LongWork work("dump", ProgressBar::Unit::kItems);
  uint64_t dumped = 0;
  for (const KeyspaceInfo& info : keyspaces) {
    writer.BeginSection({.encoding = encoding,
                         .keyspace = info.name,
                         .compress_values_from_bytes = info.options.compress_values_from_bytes});
    Scan scan = txn.Scan(info.keyspace);
    for (const Entry& entry : scan) {
      writer.WriteEntry(entry.key, entry.value);
      if (!invocation.output.ok()) return invocation.output.status();
      if (!work.Step(++dumped, size.entries)) return LongWork::InterruptedError();
    }
    if (!scan.status().ok()) return scan.status();
    writer.EndSection();
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> DumpDatabase(Invocation& invocation, const DumpArguments& arguments) {
  absl::StatusOr<Database> db = OpenToRead(invocation);
  if (!db.ok()) return db.status();
  const absl::StatusOr<ReadTransaction> txn = db->BeginRead();
  if (!txn.ok()) return txn.status();
  const absl::StatusOr<std::vector<KeyspaceInfo>> keyspaces = KeyspacesToDump(*txn, invocation);
  if (!keyspaces.ok()) return keyspaces.status();
  const absl::StatusOr<Stats> stats = db->GetStats();
  if (!stats.ok()) return stats.status();
  absl::Status status = DumpKeyspaces(invocation, *txn, *keyspaces,
                                      SizeOf(*keyspaces, stats->file_bytes), EncodingOf(arguments));
  if (!status.ok()) return status;
  return ExitCode::kFine;
}

// A damaged file does not say how many entries it has. Its size bounds them, and 255 is what LZ4
// can make of a byte.
DumpedSize SizeOfDamaged(const std::string& path) {
  struct stat info {};
  const bool known = stat(path.c_str(), &info) == 0;
  return {.file_bytes = known ? static_cast<uint64_t>(info.st_size) : 0, .compressed = true};
}

// Starts a section whenever the keyspace changes.
class SalvageWriter {
 public:
  SalvageWriter(Invocation& invocation, const DumpArguments& arguments)
      : invocation_(invocation),
        arguments_(arguments),
        writer_(invocation.output, LmdbMapSize(SizeOfDamaged(invocation.database_path))) {}

  absl::Status Take(std::string_view keyspace, std::string_view key, std::string_view value) {
    if (invocation_.keyspace_argument && keyspace != *invocation_.keyspace_argument) {
      return absl::OkStatus();
    }
    if (keyspace != current_) {
      Finish();
      current_ = keyspace;
      writer_.BeginSection({.encoding = EncodingOf(arguments_), .keyspace = *current_});
    }
    writer_.WriteEntry(key, value);
    ++entries_;
    return work_.Step(entries_, 0) ? invocation_.output.status() : LongWork::InterruptedError();
  }

  void Finish() {
    if (current_) writer_.EndSection();
  }

 private:
  Invocation& invocation_;
  const DumpArguments& arguments_;
  DumpWriter writer_;
  LongWork work_{"salvage", ProgressBar::Unit::kItems};
  std::optional<std::string> current_;
  uint64_t entries_ = 0;
};

// Fails if the database does not open.
absl::StatusOr<uint64_t> TransactionsOnlyInLog(const Invocation& invocation) {
  const absl::StatusOr<Database> db = OpenToRead(invocation);
  if (!db.ok()) return db.status();
  const absl::StatusOr<Stats> stats = db->GetStats();
  if (!stats.ok()) return stats.status();
  return stats->recovered_transactions;
}

absl::StatusOr<ExitCode> DumpDamaged(Invocation& invocation, const DumpArguments& arguments) {
  absl::StatusOr<SalvageReport> report;
  {
    SalvageWriter writer(invocation, arguments);
    report = Salvage(invocation.database_path,
                     [&](std::string_view keyspace, std::string_view key, std::string_view value) {
                       return writer.Take(keyspace, key, value);
                     });
    if (report.ok()) writer.Finish();
  }
  if (absl::IsCancelled(report.status())) return report.status();
  if (!report.ok()) return AsEnvironmentError(report.status());
  invocation.Complain(FormatCount(report->entries) + " entries from " +
                      FormatPlural(report->leaf_pages, "valid leaf page") + " of " +
                      FormatPlural(report->pages, "page") + "; " +
                      FormatPlural(report->damaged_pages, "damaged page") + ", " +
                      FormatPlural(report->lost_values, "lost value"));
  // Where superblock or slots are gone every page may be sound, but not what belongs where.
  const absl::StatusOr<uint64_t> only_in_log = TransactionsOnlyInLog(invocation);
  if (!only_in_log.ok()) {
    invocation.Complain(std::string(only_in_log.status().message()));
  } else if (*only_in_log > 0) {
    invocation.Complain("the log has " + FormatPlural(*only_in_log, "transaction") +
                        " besides, which dump has without --salvage");
  }
  const bool whole =
      only_in_log.ok() && *only_in_log + report->damaged_pages + report->lost_values == 0;
  return whole ? ExitCode::kFine : ExitCode::kCorrupt;
}

}  // namespace

Verb AddDump(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<DumpArguments>();
  CLI::App* verb =
      AddVerb(app, "dump", "Write everything as text that load and mdb_load read", invocation);
  verb->add_flag("-p,--print", arguments->print,
                 "format=print: printable characters as themselves");
  verb->add_flag(
      "--salvage", arguments->salvage,
      "Write what can still be read from a damaged file; exit 3 if something is lost, or "
      "only in the log");
  AddKeyspaceOption(*verb, invocation, "Only this keyspace; \"\" is the default one");
  verb->footer(
      "Keyspaces become LMDB's named databases. What mdb_load cannot take: keys over 511 bytes, "
      "and a\n"
      "key of the default keyspace that is also the name of a keyspace. Salvaged entries of pages "
      "that\n"
      "no keyspace reaches any longer come as the keyspace \"salvaged\".");
  return {verb, [&invocation, arguments] {
            return arguments->salvage ? DumpDamaged(invocation, *arguments)
                                      : DumpDatabase(invocation, *arguments);
          }};
}

}  // namespace espalier::tools
