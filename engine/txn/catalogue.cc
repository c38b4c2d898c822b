#include "engine/txn/catalogue.h"

#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/base/endian.h"
#include "engine/base/status_macros.h"
#include "engine/tree/cursor.h"
#include "engine/tree/lookup.h"

namespace espalier::txn {
namespace {

constexpr char kKeyspaceTag = 'k';
constexpr char kNameTag = 'n';
constexpr char kDetachedTag = 'd';
constexpr size_t kDetachedRecordBytes = 12;

// As in a keyspace's record, before the name.
struct EncodedKeyspace {
  uint64_t root;
  uint64_t entries;
  uint32_t height;
  uint32_t compress_from;
};
static_assert(sizeof(EncodedKeyspace) == 24);
static_assert(offsetof(EncodedKeyspace, root) == 0);
static_assert(offsetof(EncodedKeyspace, entries) == 8);
static_assert(offsetof(EncodedKeyspace, height) == 16);
static_assert(offsetof(EncodedKeyspace, compress_from) == 20);

const uint8_t* Bytes(std::string_view view) {
  return reinterpret_cast<const uint8_t*>(view.data());
}

std::string NumberKey(char tag, uint64_t number) {
  std::string key(9, tag);
  StoreBE32(reinterpret_cast<uint8_t*>(key.data()) + 1, static_cast<uint32_t>(number >> 32));
  StoreBE32(reinterpret_cast<uint8_t*>(key.data()) + 5, static_cast<uint32_t>(number));
  return key;
}

uint64_t NumberOf(std::string_view key) {
  return uint64_t{LoadBE32(Bytes(key) + 1)} << 32 | LoadBE32(Bytes(key) + 5);
}

std::string NameKey(std::string_view name) {
  std::string key(1, kNameTag);
  key.append(name);
  return key;
}

std::optional<NamedKeyspace> Decode(uint64_t id, std::string_view value) {
  EncodedKeyspace encoded;
  if (value.size() < sizeof(encoded)) return std::nullopt;
  std::memcpy(&encoded, value.data(), sizeof(encoded));
  const page::TreeRoot root = {page::ChildRef(encoded.root), encoded.entries, encoded.height};
  if (!root.IsPlausible()) return std::nullopt;
  return NamedKeyspace{
      id, std::string(value.substr(sizeof(encoded))), {root, encoded.compress_from}};
}

absl::StatusOr<std::string_view> Lookup(const page::PageReader& reader, const page::TreeRoot& root,
                                        std::string_view key) {
  const tree::Found found = tree::Find(reader, root, key);
  switch (found.outcome) {
    case tree::Outcome::kFound:
      if (found.payload.large || found.payload.compressed) {
        return reader.source().DataLoss("a record of the catalogue is not plain");
      }
      return found.payload.bytes;
    case tree::Outcome::kMissing:
      return absl::NotFoundError("");
    case tree::Outcome::kDamaged:
      break;
  }
  return tree::ExplainLookup(reader, root, key);
}

}  // namespace

std::optional<NamedKeyspace> DecodeKeyspace(std::string_view key, std::string_view value) {
  if (key.size() != 9 || key[0] != kKeyspaceTag) return std::nullopt;
  return Decode(NumberOf(key), value);
}

bool LooksLikeCatalogue(const page::Leaf& leaf) {
  if (leaf.size() == 0) return true;
  bool has_keyspace = false;
  std::string key;
  for (uint32_t i = 0; i < leaf.size(); ++i) {
    leaf.key(i).CopyTo(key);
    const page::Payload payload = leaf.payload(i);
    if (key.empty() || payload.large || payload.compressed) return false;
    const std::string_view value = payload.bytes;
    if (key[0] == kKeyspaceTag) {
      if (!DecodeKeyspace(key, value).has_value()) return false;
      has_keyspace = true;
    } else if (key[0] == kNameTag) {
      if (key.size() == 1 || value.size() != sizeof(uint64_t)) return false;
    } else if (key[0] != kDetachedTag || key.size() != 9 || value.size() != kDetachedRecordBytes) {
      return false;
    }
  }
  return has_keyspace;
}

absl::StatusOr<NamedKeyspace> CatalogueReader::Find(uint64_t id) const {
  const absl::StatusOr<std::string_view> value =
      Lookup(reader_, root_, NumberKey(kKeyspaceTag, id));
  if (value.ok()) {
    std::optional<NamedKeyspace> keyspace = Decode(id, *value);
    if (keyspace.has_value()) return *std::move(keyspace);
    return reader_.source().DataLoss("a keyspace's record in the catalogue is damaged");
  }
  if (absl::IsNotFound(value.status()) && id == kDefaultKeyspaceId) {
    return NamedKeyspace{id, "", {}};
  }
  return value.status();
}

absl::StatusOr<KeyspaceRecord> CatalogueReader::FindById(uint64_t id) const {
  ESPALIER_ASSIGN_OR_RETURN(const NamedKeyspace keyspace, Find(id));
  return keyspace.record;
}

absl::StatusOr<std::string> CatalogueReader::NameOf(uint64_t id) const {
  ESPALIER_ASSIGN_OR_RETURN(NamedKeyspace keyspace, Find(id));
  return std::move(keyspace.name);
}

absl::StatusOr<uint64_t> CatalogueReader::FindByName(std::string_view name) const {
  if (name.empty()) return kDefaultKeyspaceId;
  ESPALIER_ASSIGN_OR_RETURN(const std::string_view value, Lookup(reader_, root_, NameKey(name)));
  if (value.size() != 8) {
    return reader_.source().DataLoss("a keyspace's name in the catalogue is damaged");
  }
  return LoadLE64(Bytes(value));
}

absl::StatusOr<std::vector<NamedKeyspace>> CatalogueReader::List() const {
  std::vector<NamedKeyspace> list;
  ESPALIER_ASSIGN_OR_RETURN(NamedKeyspace default_keyspace, Find(kDefaultKeyspaceId));
  list.push_back(std::move(default_keyspace));
  tree::Cursor cursor(reader_, root_);
  std::string key;
  for (bool found = cursor.SeekLowerBound(NameKey("")); found; found = cursor.Next()) {
    cursor.key().CopyTo(key);
    if (key[0] != kNameTag) break;
    if (key.size() == 1) continue;
    ESPALIER_ASSIGN_OR_RETURN(const uint64_t id, FindByName(key.substr(1)));
    ESPALIER_ASSIGN_OR_RETURN(NamedKeyspace keyspace, Find(id));
    list.push_back(std::move(keyspace));
  }
  ESPALIER_RETURN_IF_ERROR(cursor.status());
  return list;
}

absl::StatusOr<std::vector<DetachedRecord>> CatalogueReader::Detached(size_t limit) const {
  std::vector<DetachedRecord> list;
  tree::Cursor cursor(reader_, root_);
  std::string key;
  for (bool found = cursor.SeekLowerBound(std::string(1, kDetachedTag));
       found && list.size() < limit; found = cursor.Next()) {
    cursor.key().CopyTo(key);
    if (key[0] != kDetachedTag) break;
    const page::Payload payload = cursor.payload();
    if (key.size() != 9 || payload.large || payload.bytes.size() != kDetachedRecordBytes) {
      return reader_.source().DataLoss("a detached tree's record in the catalogue is damaged");
    }
    const uint32_t level = LoadLE32(Bytes(payload.bytes) + 8);
    if (level >= page::kMaxHeight) {
      return reader_.source().DataLoss("a detached tree's record in the catalogue is damaged");
    }
    list.push_back({NumberOf(key), {page::ChildRef(LoadLE64(Bytes(payload.bytes))), level}});
  }
  ESPALIER_RETURN_IF_ERROR(cursor.status());
  return list;
}

absl::Status CatalogueWriter::Put(std::string_view key, std::string_view value) {
  ESPALIER_RETURN_IF_ERROR(writer_.Seek(key).status());
  return writer_.Put(key, page::Payload{value, false, false}).status();
}

absl::Status CatalogueWriter::Remove(std::string_view key) {
  ESPALIER_ASSIGN_OR_RETURN(const tree::TreeWriter::Place place, writer_.Seek(key));
  return place.exact ? writer_.Remove() : absl::OkStatus();
}

absl::Status CatalogueWriter::PutKeyspace(const NamedKeyspace& keyspace) {
  const KeyspaceRecord& record = keyspace.record;
  const EncodedKeyspace encoded = {
      .root = record.root.ref.bits(),
      .entries = record.root.entries,
      .height = record.root.height,
      .compress_from = record.compress_from,
  };
  std::string value(reinterpret_cast<const char*>(&encoded), sizeof(encoded));
  value.append(keyspace.name);
  return Put(NumberKey(kKeyspaceTag, keyspace.id), value);
}

absl::Status CatalogueWriter::PutName(std::string_view name, uint64_t id) {
  uint8_t value[8];
  StoreLE64(value, id);
  return Put(NameKey(name), {reinterpret_cast<const char*>(value), sizeof(value)});
}

absl::Status CatalogueWriter::RemoveKeyspace(uint64_t id) {
  return Remove(NumberKey(kKeyspaceTag, id));
}

absl::Status CatalogueWriter::RemoveName(std::string_view name) { return Remove(NameKey(name)); }

absl::Status CatalogueWriter::PutDetached(const DetachedRecord& record) {
  uint8_t value[kDetachedRecordBytes];
  StoreLE64(value, record.tree.ref.bits());
  StoreLE32(value + 8, record.tree.level);
  return Put(NumberKey(kDetachedTag, record.number),
             {reinterpret_cast<const char*>(value), sizeof(value)});
}

absl::Status CatalogueWriter::RemoveDetached(uint64_t number) {
  return Remove(NumberKey(kDetachedTag, number));
}

}  // namespace espalier::txn
