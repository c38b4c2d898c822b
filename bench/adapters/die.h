// How the bench ends when an engine fails: with the engine's own words on standard error, and
// nothing cleaned up by this process. (Workers die this way; the process that started them removes
// their files.)
#ifndef ESPALIER_BENCH_ADAPTERS_DIE_H_
#define ESPALIER_BENCH_ADAPTERS_DIE_H_

#include <string_view>

namespace espalier::bench {

inline constexpr int kDeathExitCode = 9;

[[noreturn]] void Die(std::string_view who, std::string_view doing, std::string_view why);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_ADAPTERS_DIE_H_
