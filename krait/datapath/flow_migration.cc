#include "krait/datapath/flow_migration.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "krait/datapath/loaded.h"

namespace krait::datapath {

using common::Error;
using common::Result;

namespace {

constexpr std::uint32_t kBucketsATime = 64;
static_assert(sizeof(krait_flow_head) <= sizeof(krait_flow_bucket));

Result<krait_flow_bucket> read_bucket(int flows_fd, std::uint32_t index) {
  krait_flow_bucket bucket{};
  if (bpf_map_lookup_elem(flows_fd, &index, &bucket) != 0) {
    return Error::from_errno(errno, "read the flow table");
  }
  return bucket;
}

Result<void> write_bucket(int flows_fd, std::uint32_t index, const krait_flow_bucket& bucket) {
  if (bpf_map_update_elem(flows_fd, &index, &bucket, BPF_ANY) != 0) {
    return Error::from_errno(errno, "write the flow table");
  }
  return {};
}

Result<krait_flow_head> read_head(int flows_fd) {
  KRAIT_TRY(const auto bucket, read_bucket(flows_fd, 0));
  krait_flow_head head{};
  std::memcpy(&head, &bucket, sizeof(head));
  return head;
}

// A table, for finding where its flows belong.
struct Table {
  int fd = -1;
  krait_flow_seeds seeds{};
  std::uint32_t mask = 0;
};

Result<void> carry_bucket(const krait_flow_bucket& from, const Table& to) {
  for (std::size_t way = 0; way < KRAIT_FLOW_WAYS; ++way) {
    if (from.marks[way] == 0) {
      continue;
    }
    const krait_flow& flow = from.flows[way];
    const std::uint64_t hash = krait_flow_hash(&flow.key, &to.seeds);
    const std::uint32_t index = KRAIT_FLOW_BUCKET(hash, to.mask);
    KRAIT_TRY(auto bucket, read_bucket(to.fd, index));
    const std::uint64_t mark = KRAIT_FLOW_MARK(hash) | (from.marks[way] & KRAIT_MARK_FROM_B);
    if (!place_flow(bucket, flow, mark)) {
      continue;
    }
    KRAIT_CHECK(write_bucket(to.fd, index, bucket));
  }
  return {};
}

}  // namespace

bool place_flow(krait_flow_bucket& bucket, const krait_flow& flow, std::uint64_t mark) {
  std::size_t chosen = 0;
  for (std::size_t way = 0; way < KRAIT_FLOW_WAYS; ++way) {
    if (bucket.marks[way] == 0) {
      chosen = way;
      continue;
    }
    if (std::memcmp(&bucket.flows[way].key, &flow.key, sizeof(flow.key)) == 0) {
      return false;
    }
    if (bucket.marks[chosen] != 0 && bucket.flows[way].seen_jiffies < bucket.flows[chosen].seen_jiffies) {
      chosen = way;
    }
  }
  if (bucket.marks[chosen] != 0 && bucket.flows[chosen].seen_jiffies >= flow.seen_jiffies) {
    return false;
  }
  bucket.flows[chosen] = flow;
  bucket.marks[chosen] = mark;
  return true;
}

Result<krait_flow_seeds> draw_seeds() {
  krait_flow_seeds seeds{};
  if (::getrandom(&seeds, sizeof(seeds), 0) != sizeof(seeds)) {
    return Error::from_errno(errno, "draw a random number");
  }
  return seeds;
}

Result<void> begin_flows(int flows_fd, const krait_flow_seeds& seeds) {
  const krait_flow_head head{.seeded = 1, .layout = KRAIT_FLOWS_LAYOUT, .seeds = seeds};
  krait_flow_bucket bucket{};
  std::memcpy(&bucket, &head, sizeof(head));
  return write_bucket(flows_fd, 0, bucket);
}

Result<krait_flow_seeds> read_seeds(int flows_fd) {
  KRAIT_TRY(const auto head, read_head(flows_fd));
  return head.seeds;
}

Result<void> rewrite_flows(int flows_fd, const std::function<void(krait_flow_bucket&)>& rewrite) {
  for (std::uint32_t index = 1; index < entries_of(flows_fd); ++index) {
    KRAIT_TRY(auto bucket, read_bucket(flows_fd, index));
    if (std::ranges::all_of(bucket.marks, [](std::uint64_t mark) { return mark == 0; })) {
      continue;
    }
    rewrite(bucket);
    KRAIT_CHECK(write_bucket(flows_fd, index, bucket));
  }
  return {};
}

std::uint64_t flows_layout(int flows_fd) {
  const auto head = read_head(flows_fd);
  return head ? std::max<std::uint64_t>(1, head->layout) : 0;
}

// A flow itself is the same in all layouts so far; from the second on the hash has more seeds.
Result<void> check_flows_layout(int flows_fd) {
  KRAIT_TRY(auto head, read_head(flows_fd));
  if (head.layout > KRAIT_FLOWS_LAYOUT) {
    return Error(
        common::ErrorCode::unsupported,
        fmt::format("the flow table in the kernel has layout {}, this version knows {}: established flows cannot "
                    "be carried over, and nothing was changed; go on with the version that made it, or give "
                    "them up: krait down, then krait up",
                    head.layout, KRAIT_FLOWS_LAYOUT));
  }
  return {};
}

Result<void> carry_flows(int from_fd, int to_fd) {
  KRAIT_TRY(auto head, read_head(to_fd));
  const Table to{.fd = to_fd, .seeds = head.seeds, .mask = entries_of(to_fd) - 2};
  const std::uint32_t entries = entries_of(from_fd);
  std::vector<krait_flow_bucket> buckets(kBucketsATime);
  std::vector<std::uint32_t> keys(kBucketsATime);
  std::uint32_t position = 0;
  for (std::uint32_t read = 0; read < entries;) {
    std::uint32_t count = kBucketsATime;
    const int error = bpf_map_lookup_batch(from_fd, read == 0 ? nullptr : &position, &position, keys.data(),
                                           buckets.data(), &count, nullptr);
    if (error != 0 && error != -ENOENT) {
      return Error::from_errno(-error, "read the flow table");
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      if (keys[i] == 0) {
        continue;
      }
      KRAIT_CHECK(carry_bucket(buckets[i], to));
    }
    read += count;
    if (error == -ENOENT || count == 0) {
      break;
    }
  }
  return {};
}

}  // namespace krait::datapath
