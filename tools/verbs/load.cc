// load DATABASE [FILE]: reads the text that `dump` and mdb_dump write (see
// tools/text/dump_header.h).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "tools/cli/chunked_writer.h"
#include "tools/cli/figures.h"
#include "tools/cli/long_work.h"
#include "tools/cli/render.h"
#include "tools/text/dump_reader.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct LoadArguments {
  std::string file = "-";
  bool append = false;
  bool no_overwrite = false;
  uint32_t page_size_bytes = 4096;
};

// The input: a file that is closed again, or standard input.
class Input {
 public:
  static absl::StatusOr<Input> Open(const std::string& file) {
    if (file == "-") return Input(STDIN_FILENO, "standard input");
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return absl::UnavailableError(file + ": " + std::strerror(errno));
    return Input(fd, file);
  }
  Input(Input&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)) {}
  Input& operator=(Input&&) = delete;
  ~Input() {
    if (fd_ > STDERR_FILENO) close(fd_);
  }

  ByteSource source() const { return DescriptorSource(fd_, name_); }

  // 0 when the size is not known beforehand.
  uint64_t size_bytes() const {
    struct stat info {};
    return fstat(fd_, &info) == 0 && S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size)
                                                           : 0;
  }

 private:
  Input(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  int fd_;
  std::string name_;
};

// `status` with the line at which the load stopped; the reader's own errors have it already.
absl::Status AtLine(const LineReader& lines, const absl::Status& status) {
  return absl::Status(status.code(), "line " + std::to_string(lines.line_number()) + ": " +
                                         std::string(status.message()));
}

absl::Status LoadSection(DumpReader& reader, const LineReader& lines, uint64_t input_bytes,
                         LongWork& work, ChunkedWriter& writer) {
  while (true) {
    const absl::StatusOr<bool> entry = reader.NextEntry();
    if (!entry.ok()) return entry.status();
    if (!*entry) return absl::OkStatus();
    if (absl::Status status = writer.Put(reader.key(), reader.value()); !status.ok()) {
      return AtLine(lines, status);
    }
    if (!work.Step(lines.bytes_read(), input_bytes)) {
      return AtLine(lines, LongWork::InterruptedError());
    }
  }
}

absl::Status LoadStream(const Invocation& invocation, const Input& input, ChunkedWriter& writer) {
  LineReader lines(input.source());
  DumpReader reader(lines);
  LongWork work("load", ProgressBar::Unit::kBytes);
  const uint64_t input_bytes = input.size_bytes();
  while (true) {
    const absl::StatusOr<bool> section = reader.NextSection();
    if (!section.ok()) return section.status();
    if (!*section) return writer.Commit();
    for (const std::string& remark : reader.remarks()) invocation.Complain(remark);
    const DumpHeader& header = reader.header();
    const std::string keyspace =
        header.keyspace.empty() ? invocation.keyspace_name() : header.keyspace;
    absl::Status status = writer.SelectKeyspace(
        keyspace, {.compress_values_from_bytes = header.compress_values_from_bytes});
    if (!status.ok()) return AtLine(lines, status);
    status = LoadSection(reader, lines, input_bytes, work, writer);
    if (!status.ok()) return status;
  }
}

void Report(Invocation& invocation, const ChunkedWriter& writer) {
  if (invocation.json) {
    Json object;
    object["loaded"] = writer.committed();
    object["skipped"] = writer.skipped();
    invocation.output.Write(JsonLine(object));
    return;
  }
  std::string text = "loaded " + FormatCount(writer.committed());
  if (writer.skipped() > 0) text += ", skipped " + FormatCount(writer.skipped());
  invocation.output.Write(text + "\n");
}

absl::StatusOr<ExitCode> Load(Invocation& invocation, const LoadArguments& arguments) {
  // Before the database is created.
  const absl::StatusOr<Input> input = Input::Open(arguments.file);
  if (!input.ok()) return input.status();
  absl::StatusOr<Database> db = OpenOrCreate(invocation, arguments.page_size_bytes);
  if (!db.ok()) return db.status();

  absl::Status status;
  {
    ChunkedWriter writer(*db,
                         {.overwrite = !arguments.no_overwrite, .append_only = arguments.append});
    status = LoadStream(invocation, *input, writer);
    if (status.ok()) {
      Report(invocation, writer);
    } else {
      status = absl::Status(status.code(), std::string(status.message()) + " (" +
                                               FormatCount(writer.committed()) +
                                               " entries before it stay loaded)");
    }
  }
  const absl::Status closed = db->Close();
  if (!status.ok()) return status;
  if (!closed.ok()) return closed;
  return ExitCode::kFine;
}

}  // namespace

Verb AddLoad(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<LoadArguments>();
  CLI::App* verb = AddVerb(
      app, "load", "Load the text that dump or mdb_dump wrote; creates the database if need be",
      invocation);
  verb->add_option("FILE", arguments->file, "The text; without it, or as -, standard input")
      ->type_name("");
  verb->add_flag("--append", arguments->append,
                 "Refuse input that is not in key order after what is there");
  verb->add_flag("--no-overwrite", arguments->no_overwrite, "Skip entries whose key exists");
  AddKeyspaceOption(*verb, invocation,
                    "Where sections without a database name go; else the default one");
  AddJsonOption(*verb, invocation);
  AddPageSizeOption(*verb, &arguments->page_size_bytes);
  verb->footer(
      "Entries are committed in chunks; a load that fails says at which line and keeps the chunks\n"
      "before it. An LMDB file with named databases is dumped with mdb_dump -a; without -a, "
      "mdb_dump\n"
      "shows their records in the main database as if they were data. Dumps with several values a "
      "key\n"
      "(duplicates, dupsort) are refused with exit code 2.");
  return {verb, [&invocation, arguments] { return Load(invocation, *arguments); }};
}

}  // namespace espalier::tools
