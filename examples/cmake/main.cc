#include <cstdio>

#include "espalier/version.h"

int main() {
  std::printf("Espalier %s\n", espalier::VersionString());
  return 0;
}
