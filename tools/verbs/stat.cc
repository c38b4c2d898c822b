// stat DATABASE: what the database says about itself, without reading its data.
#include "absl/strings/str_format.h"
#include "tools/cli/figures.h"
#include "tools/cli/render.h"
#include "tools/text/escape.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

Json KeyspacesToJson(const std::vector<KeyspaceInfo>& keyspaces) {
  Json list = Json::array();
  for (const KeyspaceInfo& info : keyspaces) {
    Json object;
    SetBytes("name", info.name, false, &object);
    object["entries"] = info.entries;
    object["height"] = info.height;
    object["compress_values_from_bytes"] = info.options.compress_values_from_bytes;
    list.push_back(object);
  }
  return list;
}

Json ReadersToJson(const std::vector<ReaderStats>& readers) {
  Json list = Json::array();
  for (const ReaderStats& reader : readers) {
    Json object;
    object["version"] = reader.version;
    object["age_ms"] = reader.age.count();
    object["pinned_bytes"] = reader.pinned_bytes;
    list.push_back(object);
  }
  return list;
}

Json LatencyToJson(const LatencyStats& latency) {
  Json object;
  object["count"] = latency.count;
  object["p50_us"] = latency.p50.count();
  object["p90_us"] = latency.p90.count();
  object["p99_us"] = latency.p99.count();
  object["max_us"] = latency.max.count();
  return object;
}

Json ToJson(const Stats& stats, const std::vector<KeyspaceInfo>& keyspaces) {
  Json object;
  object["page_size_bytes"] = stats.page_size_bytes;
  object["file_bytes"] = stats.file_bytes;
  object["newest_version"] = stats.newest_version;
  object["checkpoint_version"] = stats.checkpoint_version;
  object["entries"] = stats.entries;
  object["reachable_pages"] = stats.reachable_pages;
  object["waiting_pages"] = stats.waiting_pages;
  object["waiting_for_checkpoint_pages"] = stats.waiting_for_checkpoint_pages;
  object["free_pages"] = stats.free_pages;
  object["reserved_pages"] = stats.reserved_pages;
  object["log_limit_bytes"] = stats.log_limit_bytes;
  object["log_used_bytes"] = stats.log_used_bytes;
  object["log_waits"] = stats.log_waits;
  object["log_flushes"] = LatencyToJson(stats.log_flushes);
  object["recovered_transactions"] = stats.recovered_transactions;
  object["commits"] = stats.commits;
  object["checkpoints"] = stats.checkpoints;
  object["checkpoint_times"] = LatencyToJson(stats.checkpoint_times);
  object["keyspaces"] = KeyspacesToJson(keyspaces);
  object["readers"] = ReadersToJson(stats.readers);
  return object;
}

void AppendPages(const std::string& name, uint64_t pages, const Stats& stats, std::string* text) {
  *text += absl::StrFormat("  %-20s %14s  %10s\n", name, FormatCount(pages),
                           FormatBytes(pages * stats.page_size_bytes));
}

// Percentiles of what the handle itself did, if it did any of it.
std::string LatencyToText(const std::string& name, const LatencyStats& latency) {
  if (latency.count == 0) return "";
  return absl::StrFormat("  %-20s %14s  %10s %10s %10s %10s\n", name, FormatCount(latency.count),
                         FormatDuration(latency.p50), FormatDuration(latency.p90),
                         FormatDuration(latency.p99), FormatDuration(latency.max));
}

std::string LogToText(const Stats& stats) {
  if (stats.log_limit_bytes == 0) return "log         none\n";
  std::string text =
      absl::StrFormat("log         %s since the last checkpoint, of %s at the most\n",
                      FormatBytes(stats.log_used_bytes), FormatBytes(stats.log_limit_bytes));
  if (stats.recovered_transactions > 0) {
    text += absl::StrFormat("recovery    %s from the log\n",
                            FormatPlural(stats.recovered_transactions, "transaction"));
  }
  return text;
}

std::string TimesToText(const Stats& stats) {
  const std::string times = LatencyToText("log flushes", stats.log_flushes) +
                            LatencyToText("checkpoints", stats.checkpoint_times);
  if (times.empty()) return "";
  return absl::StrFormat("\n  %-20s %14s  %10s %10s %10s %10s\n", "took", "number", "median",
                         "90 %", "99 %", "longest") +
         times;
}

std::string ToText(const Stats& stats, const std::vector<KeyspaceInfo>& keyspaces) {
  std::string text = absl::StrFormat(
      "file        %s, pages of %s\nversion     %d, the last checkpoint's %d\n%s\n  %-20s %14s  "
      "%10s\n",
      FormatBytes(stats.file_bytes), FormatBytes(stats.page_size_bytes), stats.newest_version,
      stats.checkpoint_version, LogToText(stats), "pages", "number", "size");
  AppendPages("reachable", stats.reachable_pages, stats, &text);
  AppendPages("waiting", stats.waiting_pages, stats, &text);
  AppendPages("free", stats.free_pages, stats, &text);
  AppendPages("reserved", stats.reserved_pages, stats, &text);

  text += absl::StrFormat("\n  %-20s %14s  %10s\n", "keyspace", "entries", "height");
  for (const KeyspaceInfo& info : keyspaces) {
    std::string name;
    AppendReadable(info.name, &name);
    if (info.name.empty()) name = "(default)";
    text += absl::StrFormat("  %-20s %14s  %10d", name, FormatCount(info.entries), info.height);
    if (const uint32_t bytes = info.options.compress_values_from_bytes; bytes != 0) {
      text += "  values compressed from " + FormatBytes(bytes);
    }
    text += '\n';
  }
  text += TimesToText(stats);
  if (stats.readers.empty()) return text + "\nno readers\n";
  text += absl::StrFormat("\n  %-20s %14s  %10s\n", "reader of version", "age", "pins");
  for (const ReaderStats& reader : stats.readers) {
    text += absl::StrFormat("  %-20d %14s  %10s\n", reader.version, FormatDuration(reader.age),
                            FormatBytes(reader.pinned_bytes));
  }
  return text;
}

absl::StatusOr<ExitCode> Stat(Invocation& invocation) {
  absl::StatusOr<Database> db = OpenToRead(invocation);
  if (!db.ok()) return db.status();
  // Before this call's own reader begins.
  const absl::StatusOr<Stats> stats = db->GetStats();
  if (!stats.ok()) return stats.status();
  const absl::StatusOr<ReadTransaction> txn = db->BeginRead();
  if (!txn.ok()) return txn.status();
  const absl::StatusOr<std::vector<KeyspaceInfo>> keyspaces = txn->ListKeyspaces();
  if (!keyspaces.ok()) return keyspaces.status();
  invocation.output.Write(invocation.json ? JsonDocument(ToJson(*stats, *keyspaces))
                                          : ToText(*stats, *keyspaces));
  return ExitCode::kFine;
}

}  // namespace

Verb AddStat(CLI::App& app, Invocation& invocation) {
  CLI::App* verb =
      AddVerb(app, "stat", "Print sizes, versions, pages, keyspaces and readers", invocation);
  AddJsonOption(*verb, invocation);
  return {verb, [&invocation] { return Stat(invocation); }};
}

}  // namespace espalier::tools
