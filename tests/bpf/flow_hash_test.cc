// Where flows are kept cannot be aimed at: a solver that tries what is known to defeat keyed hashes, and learns from
// what it sees, finds no more collisions than chance. Without root.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "krait/abi/maps.h"

namespace krait::bpf_test {
namespace {

constexpr std::uint32_t kBuckets = 16384;

// A key as five words, which is what hashes read.
using Words = std::array<std::uint64_t, 5>;

using Hash = std::function<std::uint64_t(const Words&, const krait_flow_seeds&)>;

std::uint64_t real_hash(const Words& words, const krait_flow_seeds& seeds) {
  krait_flow_key key;
  static_assert(sizeof(key) == sizeof(words));
  std::memcpy(&key, words.data(), sizeof(key));
  return krait_flow_hash(&key, &seeds);
}

// A planted defect, which was the real one once: words 0 and 4 are added behind the multiplication by the seed.
std::uint64_t former_hash(const Words& words, const krait_flow_seeds& seeds) {
  const std::uint64_t seed = std::uint64_t{seeds.words[1]} << 32U | seeds.words[0];
  std::uint64_t x = (words[1] ^ seed) * 0x9e3779b97f4a7c15ULL;
  std::uint64_t y = (words[3] + seed) * 0xd6e8feb86659fd93ULL;
  x = ((x ^ x >> 32U) + words[0] + words[4]) * 0xff51afd7ed558ccdULL;
  y = ((y ^ y >> 32U) + words[2]) * 0xc4ceb9fe1a85ec53ULL;
  x ^= y ^ x >> 29U ^ y >> 31U;
  x *= 0x9e3779b97f4a7c15ULL;
  return x ^ x >> 32U;
}

// Two keys that the solver hopes to bring together, whatever the seeds.
struct Attempt {
  Words a;
  Words b;
};

// How a second key is made of a first one. The same recipe is tried with many keys and many seeds.
class Recipe {
 public:
  static constexpr int kKinds = 7;

  explicit Recipe(std::mt19937_64& random) : kind_(static_cast<int>(random() % kKinds)) {
    first_ = random() % 5;
    second_ = (first_ + 1 + random() % 4) % 5;
    difference_ = random() % 3 == 0 ? random() % 1000 + 1 : std::uint64_t{1} << random() % 64;
    difference_ = random() % 4 == 0 ? random() : difference_;
    half_ = random() % 2 * 32;
  }

  [[nodiscard]] Attempt apply(std::mt19937_64& random) const {
    Attempt attempt;
    for (std::uint64_t& word : attempt.a) {
      word = random();
    }
    attempt.b = attempt.a;
    change(attempt, random);
    return attempt;
  }

 private:
  void change(Attempt& attempt, std::mt19937_64& random) const {
    const std::uint64_t top_bits = std::uint64_t{1} << 63U | std::uint64_t{1} << 31U;
    const std::uint64_t in_half = (difference_ & 0xffffffffU) << half_;
    switch (kind_) {
      case 0:  // what is added here is taken away there
        attempt.b[first_] += difference_;
        attempt.b[second_] -= difference_;
        break;
      case 1:
        attempt.b[first_] ^= difference_;
        attempt.b[second_] ^= difference_;
        break;
      case 2:
        attempt.b[first_] ^= top_bits;
        attempt.b[second_] ^= top_bits;
        break;
      case 3:  // of halves that are multiplied, one
        attempt.b[first_] += in_half;
        attempt.b[second_] -= in_half;
        break;
      case 4:  // words and halves change places
        std::swap(attempt.b[first_], attempt.b[second_]);
        attempt.b[first_] = attempt.b[first_] << 32U | attempt.b[first_] >> 32U;
        break;
      case 5:  // one word alone
        attempt.b[first_] += difference_;
        break;
      default:  // the halves that are multiplied are zero but for one
        attempt.a = attempt.b = {};
        attempt.a[first_] = random() & 0xffffffffU;
        attempt.b[second_] = random() & 0xffffffff00000000U;
        break;
    }
  }

  int kind_;
  std::size_t first_;
  std::size_t second_;
  std::uint64_t difference_;
  std::uint64_t half_;
};

// The plan fd90:N::/32 for sites, each with the same numbers inside: two of its flows to one server, from the same host
// number in two sites, to ports that make up for the sites' difference.
Attempt planned(std::mt19937_64& random) {
  const auto flow = [](std::uint16_t site, std::uint64_t inside, std::uint16_t from, std::uint16_t to) {
    krait_flow_key key{};
    const std::array<std::uint8_t, 4> prefix{0xfd, 0x90, static_cast<std::uint8_t>(site >> 8U),
                                             static_cast<std::uint8_t>(site)};
    std::memcpy(key.a_be, prefix.data(), prefix.size());
    std::memcpy(&key.a_be[2], &inside, sizeof(inside));
    const std::array<std::uint8_t, 4> servers{0xfd, 0x90, 0xff, 0};
    std::memcpy(key.b_be, servers.data(), servers.size());
    key.b_be[3] = 0x05000000;
    key.port_a_be = __builtin_bswap16(from);
    key.port_b_be = __builtin_bswap16(to);
    key.protocol = 6;
    Words words;
    std::memcpy(words.data(), &key, sizeof(key));
    return words;
  };
  const auto site = static_cast<std::uint16_t>(random() % 200 + 1);
  const auto step = static_cast<std::uint16_t>(random() % 3 + 1);
  const auto from = static_cast<std::uint16_t>(random());
  const auto to = static_cast<std::uint16_t>(8000 + random() % 100);
  const std::uint64_t inside = random() % 2 == 0 ? 0x1000000000000000U : random();
  const auto other_to = static_cast<std::uint16_t>(to - step);
  return {flow(site, inside, from, to), flow(static_cast<std::uint16_t>(site + step), inside, from, other_to)};
}

struct Collisions {
  std::uint64_t tries = 0;
  std::uint64_t buckets = 0;
  std::uint64_t hashes = 0;
};

using Attack = std::function<Attempt(std::mt19937_64&)>;

// New seeds with every try: the solver is told nothing about them.
Collisions collisions_of(const Hash& hash, const Attack& attack, std::uint64_t tries, std::mt19937_64& random) {
  Collisions collisions;
  krait_flow_seeds seeds{};
  for (; collisions.tries < tries; ++collisions.tries) {
    for (std::uint32_t& word : seeds.words) {
      word = static_cast<std::uint32_t>(random());
    }
    const Attempt attempt = attack(random);
    if (attempt.a == attempt.b) {
      continue;
    }
    const std::uint64_t a = hash(attempt.a, seeds);
    const std::uint64_t b = hash(attempt.b, seeds);
    collisions.buckets += KRAIT_FLOW_BUCKET(a, kBuckets - 1) == KRAIT_FLOW_BUCKET(b, kBuckets - 1) ? 1 : 0;
    collisions.hashes += KRAIT_FLOW_MARK(a) == KRAIT_FLOW_MARK(b) ? 1 : 0;
  }
  return collisions;
}

// Chance brings as many together; six times the deviation is more than it does in a million years of runs.
std::uint64_t max_by_chance(std::uint64_t tries) {
  const double expected = static_cast<double>(tries) / kBuckets;
  return static_cast<std::uint64_t>(expected + 6 * std::sqrt(expected) + 6);
}

// Tries many recipes a little, and those that did best again and in earnest.
Collisions solve(const Hash& hash) {
  std::mt19937_64 random(1);
  struct Tried {
    Attack attack;
    std::uint64_t buckets = 0;
  };
  std::vector<Tried> tried;
  for (int i = 0; i < 1000; ++i) {
    const Recipe recipe(random);
    tried.push_back({[recipe](std::mt19937_64& numbers) { return recipe.apply(numbers); }});
  }
  for (Tried& one : tried) {
    one.buckets = collisions_of(hash, one.attack, 1000, random).buckets;
  }
  std::partial_sort(tried.begin(), tried.begin() + 5, tried.end(),
                    [](const Tried& a, const Tried& b) { return a.buckets > b.buckets; });
  Collisions most;
  for (std::size_t i = 0; i < 5; ++i) {
    const Collisions found = collisions_of(hash, tried[i].attack, 400'000, random);
    most.tries = found.tries;
    most.buckets = std::max(most.buckets, found.buckets);
    most.hashes = std::max(most.hashes, found.hashes);
  }
  return most;
}

TEST(FlowHash, ASolverDoesNoBetterThanChance) {
  const Collisions found = solve(real_hash);
  EXPECT_LE(found.buckets, max_by_chance(found.tries));
  EXPECT_EQ(found.hashes, 0U);
}

TEST(FlowHash, TheAddressPlanOfSitesLosesNothing) {
  std::mt19937_64 random(2);
  const Collisions found = collisions_of(real_hash, planned, 1'000'000, random);
  EXPECT_LE(found.buckets, max_by_chance(found.tries));
  EXPECT_EQ(found.hashes, 0U);
}

TEST(FlowHash, TheSolverFindsThePlantedDefect) {
  const Collisions found = solve(former_hash);
  EXPECT_GT(found.buckets, found.tries / 2);
  EXPECT_GT(found.hashes, found.tries / 2);
}

TEST(FlowHash, ThePlanFindsThePlantedDefect) {
  std::mt19937_64 random(2);
  const Collisions found = collisions_of(former_hash, planned, 100'000, random);
  EXPECT_GT(found.buckets, found.tries / 4);
}

}  // namespace
}  // namespace krait::bpf_test
