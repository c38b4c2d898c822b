#include "engine/base/mutant.h"

#ifdef ESPALIER_MUTANTS

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

namespace espalier {
namespace {

constexpr std::pair<std::string_view, Mutant> kNames[] = {
#define ESPALIER_MUTANT_NAME(name) {#name, Mutant::k##name},
    ESPALIER_FOR_EACH_MUTANT(ESPALIER_MUTANT_NAME)
#undef ESPALIER_MUTANT_NAME
};

std::optional<Mutant> Chosen() {
  const char* const chosen = std::getenv("ESPALIER_MUTANT");
  if (chosen == nullptr || *chosen == '\0') return std::nullopt;
  for (const auto& [name, mutant] : kNames) {
    if (name == chosen) return mutant;
  }
  // A test of a mutant that is none would prove nothing.
  std::fputs("ESPALIER_MUTANT: there is no such mutant\n", stderr);
  std::terminate();
}

}  // namespace

bool IsMutant(Mutant mutant) {
  static const std::optional<Mutant> chosen = Chosen();
  return chosen == mutant;
}

}  // namespace espalier

#endif  // ESPALIER_MUTANTS
