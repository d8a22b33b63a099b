// A seeded sequence of requests that hit the same few nodes, watches and transactions again and again.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/store/subject.h"

namespace krata::store {

class Script {
 public:
  explicit Script(std::uint64_t seed) : random_(seed) {}

  // Introduces the domains and makes the folders that the others are about.
  static std::vector<Step> opening();
  Step next();
  // What the step came to, so that later ones can go on with it.
  void learn(const Step& step, const Outcome& outcome);

 private:
  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  std::string path(std::size_t client);
  std::string value();
  std::string permissions();
  std::string token() { return std::string("k") + std::to_string(below(3)); }
  std::string domain() { return std::to_string(1 + below(kZones)); }
  Step node_request(std::size_t client);
  Step watch_request(std::size_t client);
  Step transaction_request(std::size_t client);
  Step domain_request(std::size_t client);

  std::mt19937_64 random_;
  std::map<std::size_t, std::set<std::uint32_t>> transactions_;
  std::set<std::pair<std::size_t, std::uint32_t>> spoiled_;  // transactions, with their client
  std::set<std::string> targets_;
  std::set<std::size_t> gone_;  // clients whose domain has been released
};

}  // namespace krata::store
