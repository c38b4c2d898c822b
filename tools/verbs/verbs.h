// The verbs of the command line, one source file each.
#ifndef ESPALIER_TOOLS_VERBS_VERBS_H_
#define ESPALIER_TOOLS_VERBS_VERBS_H_

#include "tools/cli/verb.h"

namespace espalier::tools {

// Each adds one verb to `app`. `invocation` must outlive what they return.
Verb AddPut(CLI::App& app, Invocation& invocation);
Verb AddGet(CLI::App& app, Invocation& invocation);
Verb AddDel(CLI::App& app, Invocation& invocation);
Verb AddScan(CLI::App& app, Invocation& invocation);
Verb AddCount(CLI::App& app, Invocation& invocation);
Verb AddLoad(CLI::App& app, Invocation& invocation);
Verb AddDump(CLI::App& app, Invocation& invocation);
Verb AddStat(CLI::App& app, Invocation& invocation);
Verb AddCheck(CLI::App& app, Invocation& invocation);
Verb AddCompact(CLI::App& app, Invocation& invocation);
Verb AddCopy(CLI::App& app, Invocation& invocation);
Verb AddBench(CLI::App& app, Invocation& invocation);
Verb AddDemo(CLI::App& app, Invocation& invocation);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_VERBS_VERBS_H_
