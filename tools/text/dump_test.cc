// The text format, written and read back, and every way in which it can be malformed.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tools/text/dump_reader.h"
#include "tools/text/dump_writer.h"

namespace espalier::tools {
namespace {

struct Section {
  DumpHeader header;
  std::vector<std::pair<std::string, std::string>> entries;
};

std::string Write(const std::vector<Section>& sections) {
  std::string text;
  Output output([&](std::string_view bytes) {
    text += bytes;
    return absl::OkStatus();
  });
  DumpWriter writer(output, 1 << 20);
  for (const Section& section : sections) {
    writer.BeginSection(section.header);
    for (const auto& [key, value] : section.entries) writer.WriteEntry(key, value);
    writer.EndSection();
  }
  EXPECT_TRUE(output.Flush().ok());
  return text;
}

ByteSource TextSource(std::string text) {
  return [text = std::move(text), at = size_t{0}](char* buffer, size_t size) mutable {
    const size_t count = std::min(size, text.size() - at);
    text.copy(buffer, count, at);
    at += count;
    return absl::StatusOr<size_t>(count);
  };
}

struct ReadResult {
  absl::Status status;
  std::vector<Section> sections;
  std::vector<std::string> remarks;
};

ReadResult Read(const std::string& text) {
  LineReader lines(TextSource(text));
  DumpReader reader(lines);
  ReadResult result;
  while (true) {
    auto section = reader.NextSection();
    result.status = section.status();
    if (!section.ok() || !*section) return result;
    result.sections.push_back({reader.header(), {}});
    result.remarks.insert(result.remarks.end(), reader.remarks().begin(), reader.remarks().end());
    while (true) {
      auto entry = reader.NextEntry();
      result.status = entry.status();
      if (!entry.ok()) return result;
      if (!*entry) break;
      result.sections.back().entries.emplace_back(reader.key(), reader.value());
    }
  }
}

std::string ErrorOf(const std::string& text) {
  const absl::Status status = Read(text).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

std::vector<std::pair<std::string, std::string>> AwkwardEntries() {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  std::vector<std::pair<std::string, std::string>> entries = {
      {std::string(1, '\0'), ""},
      {" leading", "trailing "},
      {"DATA=END", "DATA=END"},
      {"HEADER=END", "VERSION=3"},
      {"a\\b\nc\\\\", "\\5c\n\\"},
      {"z", std::string(100'000, '\xff')},
      {"zz", std::string(16'384, 'a') + std::string(16'384, '\n') + "end"}};
  for (int byte = 0; byte < 256; ++byte) {
    entries.emplace_back(std::string("b") + static_cast<char>(byte),
                         all.substr(static_cast<size_t>(byte)));
  }
  return entries;
}

TEST(DumpTest, EntriesSurviveTheRoundTripInBothEncodings) {
  for (const DumpEncoding encoding : {DumpEncoding::kBytevalue, DumpEncoding::kPrint}) {
    const std::vector<Section> sections = {
        {{encoding, "", 0}, AwkwardEntries()},
        {{encoding, "empty", 0}, {}},
        {{encoding, "name with = and \\ and \xc3\xa9", 4096}, AwkwardEntries()},
        {{encoding, std::string("new\nline \\ and \0 too", 20), 0}, {{"k", "v"}}}};
    const ReadResult read = Read(Write(sections));
    ASSERT_TRUE(read.status.ok()) << read.status;
    EXPECT_TRUE(read.remarks.empty());
    ASSERT_EQ(read.sections.size(), sections.size());
    for (size_t i = 0; i < sections.size(); ++i) {
      EXPECT_EQ(read.sections[i].header.encoding, encoding);
      EXPECT_EQ(read.sections[i].header.keyspace, sections[i].header.keyspace);
      EXPECT_EQ(read.sections[i].header.compress_values_from_bytes,
                sections[i].header.compress_values_from_bytes);
      EXPECT_EQ(read.sections[i].entries, sections[i].entries);
    }
  }
}

TEST(DumpTest, TheTextIsWhatMdbDumpWrites) {
  EXPECT_EQ(Write({{{DumpEncoding::kBytevalue, "", 0}, {{"key", "\n"}}},
                   {{DumpEncoding::kPrint, "name", 0}, {{"a\\b", ""}}}}),
            "VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=1048576\nmaxreaders=126\nHEADER=END\n"
            " 6b6579\n 0a\nDATA=END\n"
            "VERSION=3\nformat=print\ndatabase=name\ntype=btree\nmapsize=1048576\nmaxreaders=126\n"
            "HEADER=END\n a\\5cb\n \nDATA=END\n");
}

TEST(DumpTest, ReadsWhatDebiansMdbDumpWrites) {
  const ReadResult read = Read(
      "VERSION=3\nformat=print\ndatabase=sub\ntype=btree\nmapsize=1048576\nmaxreaders=126\n"
      "db_pagesize=4096\nHEADER=END\n a\\00b\n v\n b\n \nDATA=END\n"
      "VERSION=3\nformat=bytevalue\ndatabase=sub2\ntype=btree\nHEADER=END\n 61FF\n 62\nDATA=END\n");
  ASSERT_TRUE(read.status.ok()) << read.status;
  ASSERT_EQ(read.sections.size(), 2u);
  EXPECT_EQ(read.sections[0].header.keyspace, "sub");
  EXPECT_EQ(read.sections[0].entries[0].first, std::string("a\0b", 3));
  EXPECT_EQ(read.sections[0].entries[1].second, "");
  EXPECT_EQ(read.sections[1].header.keyspace, "sub2");
  EXPECT_EQ(read.sections[1].header.encoding, DumpEncoding::kBytevalue);
  EXPECT_EQ(read.sections[1].entries[0].first, "a\xff");
}

TEST(DumpTest, AnEmptyInputHasNoSections) {
  const ReadResult read = Read("");
  EXPECT_TRUE(read.status.ok());
  EXPECT_TRUE(read.sections.empty());
}

constexpr char kHeader[] = "VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\n";
constexpr char kPrintHeader[] = "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n";

TEST(DumpTest, MalformedInputIsRefusedWithItsLine) {
  const std::string header = kHeader;
  const std::string print = kPrintHeader;
  const std::pair<std::string, std::string> cases[] = {
      {"garbage\n", "line 1: expected VERSION=3"},
      {"\n", "line 1: expected VERSION=3"},
      {"VERSION=4\nHEADER=END\n", "line 1: unknown version"},
      {"VERSION=\nHEADER=END\n", "line 1: unknown version"},
      {"VERSION=3\n", "line 1: the input ends within a header"},
      {"VERSION=3\nformat=xml\n", "line 2: unknown format"},
      {"VERSION=3\ntype=hash\n", "line 2: unknown type"},
      {"VERSION=3\nkeys=0\n", "line 2: keys=0"},
      {"VERSION=3\nno equals sign\n", "line 2: expected a header line"},
      {"VERSION=3\n 61\n", "line 2: expected a header line"},
      {"VERSION=3\ncompress_values_from_bytes=x\n", "line 2: bad number"},
      {"VERSION=3\ndatabase=a\\x\ndatabase_escaped=1\nHEADER=END\n",
       "line 4: bad escape in the database"},
      {header, "line 4: the input ends before DATA=END"},
      {header + " 61\n 62\n", "line 6: the input ends before DATA=END"},
      {header + " 61\n", "line 5: a key without a value"},
      {header + " 61\nDATA=END\n", "line 6: a key without a value"},
      {header + " 61\n 6\nDATA=END\n", "line 6: not an even number"},
      {header + " 6g\n 62\nDATA=END\n", "line 5: not an even number"},
      {header + "61\n 62\nDATA=END\n", "line 5: expected a space"},
      {header + "\n 62\nDATA=END\n", "line 5: expected a space"},
      {header + " 61\n 62\nDATA=END\n 63\n", "line 8: expected VERSION=3"},
      {print + " a\\\n b\nDATA=END\n", "line 5: bad escape"},
      {print + " a\n \\zz\nDATA=END\n", "line 6: bad escape"}};
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(ErrorOf(text).substr(0, message.size()), message) << text;
  }
}

TEST(DumpTest, EveryTruncationIsNoticed) {
  const std::string text = Write({{{DumpEncoding::kPrint, "name", 0}, {{"a", "1"}, {"b", "2"}}}});
  // A section that lacks only its last newline is whole.
  for (size_t size = 1; size + 1 < text.size(); ++size) ErrorOf(text.substr(0, size));
  EXPECT_TRUE(Read(text.substr(0, text.size() - 1)).status.ok());
}

TEST(DumpTest, SeveralValuesAKeyAreRefusedByName) {
  for (const char* flag : {"duplicates", "dupsort", "dupfixed", "integerdup", "reversedup"}) {
    const std::string text = std::string("VERSION=3\n") + flag + "=1\nHEADER=END\nDATA=END\n";
    EXPECT_EQ(ErrorOf(text).substr(0, 9 + std::string(flag).size()),
              std::string("line 2: ") + flag + "=");
    EXPECT_TRUE(Read(std::string("VERSION=3\n") + flag + "=0\nHEADER=END\nDATA=END\n").status.ok());
  }
}

TEST(DumpTest, AnotherKeyOrderIsRemarkedOn) {
  const ReadResult read = Read("VERSION=3\nintegerkey=1\nHEADER=END\n 61\n 62\nDATA=END\n");
  EXPECT_TRUE(read.status.ok());
  ASSERT_EQ(read.remarks.size(), 1u);
  EXPECT_EQ(read.remarks[0], "line 2: integerkey: here keys are in the order of their bytes");
}

TEST(LmdbMapSizeTest, IsGenerousRoundedAndNeverOverflows) {
  constexpr uint64_t kMiB = 1 << 20;
  EXPECT_EQ(LmdbMapSize({}), 64 * kMiB);
  EXPECT_EQ(LmdbMapSize({kMiB, 0, false}), 68 * kMiB);
  EXPECT_EQ(LmdbMapSize({kMiB, 1, false}), 69 * kMiB);
  EXPECT_EQ(LmdbMapSize({kMiB, 0, true}), 64 * kMiB + 1020 * kMiB);
  EXPECT_EQ(LmdbMapSize({~uint64_t{0}, ~uint64_t{0}, true}), uint64_t{32} << 40);
}

}  // namespace
}  // namespace espalier::tools
