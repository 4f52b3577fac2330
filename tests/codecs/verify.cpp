// Verify buffers with FlatBuffers' own C++ verifier: verify SCHEMA.bfbs FILE...
//
// Each file is named TABLE-anything.bin after its root table. Alignment is checked. Prints the files that are refused.

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "flatbuffers/reflection.h"

static std::vector<uint64_t> words(const char *path, size_t *size) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<uint64_t> aligned(bytes.size() / 8 + 1);
  memcpy(aligned.data(), bytes.data(), bytes.size());
  *size = bytes.size();
  return aligned;
}

int main(int count, char **arguments) {
  size_t size = 0;
  auto stored = words(arguments[1], &size);
  auto schema = reflection::GetSchema(stored.data());
  int refused = 0;
  for (int i = 2; i < count; i++) {
    std::string path = arguments[i];
    std::string name = path.substr(path.find_last_of('/') + 1);
    auto table = schema->objects()->LookupByKey(("serlab." + name.substr(0, name.find('-'))).c_str());
    auto data = words(arguments[i], &size);
    bool good = table && flatbuffers::Verify(*schema, *table, reinterpret_cast<uint8_t *>(data.data()), size);
    if (!good) std::cout << name << "\n";
    refused += !good;
  }
  return refused ? 1 : 0;
}
