#include "tests/crash/commit_history.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace espalier::testing {

// A sum, so that the order in which entries are added does not matter; keyspaces count even when
// they are empty.
void Digest::AddEntry(std::string_view keyspace, std::string_view key, std::string_view value) {
  const uint64_t seed = XXH3_64bits_withSeed(
      key.data(), key.size(), XXH3_64bits(keyspace.data(), keyspace.size()) + value.size());
  const XXH128_hash_t hash = XXH3_128bits_withSeed(value.data(), value.size(), seed);
  low_ += hash.low64;
  high_ += hash.high64;
}

void Digest::AddKeyspace(std::string_view name) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(name.data(), name.size(), 1);
  low_ += hash.low64;
  high_ += hash.high64;
}

Digest Digest::Of(const Contents& contents) {
  Digest digest;
  for (const auto& [name, entries] : contents) {
    digest.AddKeyspace(name);
    for (const auto& [key, value] : entries) digest.AddEntry(name, key, value);
  }
  return digest;
}

CommitHistory::CommitHistory(std::optional<Contents> contents) {
  State& state = states_.emplace_back();
  if (contents.has_value()) state.digest = Digest::Of(*contents);
  state.contents = std::make_shared<const Contents>(std::move(contents).value_or(Contents()));
}

size_t CommitHistory::newest() const {
  const std::lock_guard lock(mutex_);
  return states_.size() - 1;
}

void CommitHistory::Begin(Contents contents) {
  State state{Digest::Of(contents), std::make_shared<const Contents>(std::move(contents))};
  const std::lock_guard lock(mutex_);
  states_.push_back(std::move(state));
}

void CommitHistory::Acknowledge(Durability durability) {
  const std::lock_guard lock(mutex_);
  if (durability == Durability::kCheckpoint) return;
  outlives_process_ = states_.size() - 1;
  if (durability == Durability::kSync) durable_ = states_.size() - 1;
}

void CommitHistory::Withdraw() {
  const std::lock_guard lock(mutex_);
  states_.pop_back();
}

void CommitHistory::Durable(size_t commit) {
  const std::lock_guard lock(mutex_);
  durable_ = std::max(durable_, commit);
  outlives_process_ = std::max(outlives_process_, commit);
}

std::optional<size_t> CommitHistory::Window::Find(const Digest& digest) const {
  const auto at = std::find(digests.begin(), digests.end(), digest);
  if (at == digests.end()) return std::nullopt;
  return static_cast<size_t>(at - digests.begin());
}

CommitHistory::Window CommitHistory::Possible() const {
  const std::lock_guard lock(mutex_);
  Window window;
  for (size_t i = durable_; i < states_.size(); ++i) window.digests.push_back(states_[i].digest);
  return window;
}

std::shared_ptr<const Contents> CommitHistory::At(const Digest& digest) const {
  const std::lock_guard lock(mutex_);
  for (auto state = states_.rbegin(); state != states_.rend(); ++state) {
    if (state->digest == digest) return state->contents;
  }
  return nullptr;
}

bool CommitHistory::ReopenedAt(const Digest& digest) {
  const std::lock_guard lock(mutex_);
  for (size_t i = states_.size(); i-- > outlives_process_;) {
    if (states_[i].digest != digest) continue;
    states_.resize(i + 1);
    durable_ = outlives_process_ = i;
    return true;
  }
  return false;
}

}  // namespace espalier::testing
