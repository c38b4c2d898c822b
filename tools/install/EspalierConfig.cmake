# find_package(Espalier) gives Espalier::espalier (shared) and Espalier::espalier_static.

include(CMakeFindDependencyMacro)
find_dependency(absl)
find_dependency(Threads)

get_filename_component(_espalier_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

# What the public headers use.
set(_espalier_interface absl::span absl::status absl::statusor absl::strings)

add_library(Espalier::espalier SHARED IMPORTED)
set_target_properties(
  Espalier::espalier
  PROPERTIES IMPORTED_LOCATION "${_espalier_prefix}/lib/libespalier.so.1"
             IMPORTED_SONAME "libespalier.so.1"
             INTERFACE_INCLUDE_DIRECTORIES "${_espalier_prefix}/include"
             INTERFACE_COMPILE_FEATURES cxx_std_20
             INTERFACE_LINK_LIBRARIES "${_espalier_interface}")

add_library(Espalier::espalier_static STATIC IMPORTED)
set_target_properties(
  Espalier::espalier_static
  PROPERTIES IMPORTED_LOCATION "${_espalier_prefix}/lib/libespalier.a"
             INTERFACE_INCLUDE_DIRECTORIES "${_espalier_prefix}/include"
             INTERFACE_COMPILE_FEATURES cxx_std_20
             INTERFACE_LINK_LIBRARIES
             "${_espalier_interface};absl::btree;absl::cleanup;absl::flat_hash_map;absl::inlined_vector;absl::random_random;absl::str_format;absl::synchronization;absl::time;lz4;xxhash;Threads::Threads")

unset(_espalier_prefix)
unset(_espalier_interface)
