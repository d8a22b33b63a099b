#include "tests/store/script.h"

#include <array>
#include <utility>

namespace krata::store {

namespace {

std::string nul_ended(std::initializer_list<std::string_view> strings) {
  std::string payload;
  for (const std::string_view string : strings) {
    payload.append(string).append(1, '\0');
  }
  return payload;
}

}  // namespace

std::vector<Step> Script::opening() {
  std::vector<Step> steps;
  for (std::size_t client = kSockets; client < kClients; ++client) {
    const std::string domain = std::to_string(domain_of(client));
    const std::string home = "/local/domain/" + domain;
    steps.push_back({.operation = Operation::introduce, .payload = nul_ended({domain, "1", "5"})});
    steps.push_back({.operation = Operation::mkdir, .payload = nul_ended({home})});
    steps.push_back({.operation = Operation::set_permissions, .payload = nul_ended({home, "r" + domain})});
  }
  steps.push_back({.operation = Operation::mkdir, .payload = nul_ended({"/t"})});
  steps.push_back({.operation = Operation::set_permissions, .payload = nul_ended({"/t", "n0", "r1", "b2"})});
  return steps;
}

std::string Script::path(std::size_t client) {
  static constexpr std::array<std::string_view, 3> kNames{"a", "b", "c"};
  static constexpr std::array<std::string_view, 4> kTops{"/t", "/local/domain/1", "/local/domain/2", "/t"};
  std::string path(kTops[below(kTops.size())]);
  if (client >= kSockets && one_in(4)) {
    path = "x";
  }
  for (std::size_t i = below(4); i > 0; --i) {
    path.append("/").append(kNames[below(kNames.size())]);
  }
  return path;
}

std::string Script::value() { return std::string(one_in(8) ? below(200) : below(6), 'v'); }

std::string Script::permissions() {
  std::string text;
  for (std::size_t i = 1 + below(one_in(10) ? 6 : 3); i > 0; --i) {
    text += std::string(1, "nrwb"[below(4)]) + std::to_string(below(4)) + std::string(1, '\0');
  }
  return text;
}

Step Script::node_request(std::size_t client) {
  Step step{.client = client, .payload = nul_ended({path(client)})};
  const auto& open = transactions_[client];
  if (!open.empty() && !one_in(3)) {
    step.transaction = *std::next(open.begin(), static_cast<std::ptrdiff_t>(below(open.size())));
  }
  const std::size_t kind = below(20);
  if (kind < 7) {
    step.operation = Operation::write;
    step.payload += value();
  } else if (kind < 10) {
    step.operation = Operation::read;
  } else if (kind < 12) {
    step.operation = Operation::directory;
  } else if (kind < 13) {
    step.operation = Operation::directory_part;
    step.payload += nul_ended({std::to_string(below(8))});
  } else if (kind < 14) {
    step.operation = Operation::get_permissions;
  } else if (kind < 16) {
    step.operation = Operation::set_permissions;
    step.payload += permissions();
  } else if (kind < 18) {
    step.operation = Operation::mkdir;
  } else {
    step.operation = Operation::remove;
  }
  return step;
}

Step Script::watch_request(std::size_t client) {
  const std::string watched = one_in(6) ? (one_in(2) ? "@releaseDomain" : "@introduceDomain") : path(client);
  if (one_in(12)) {
    return {.client = client, .operation = Operation::reset_watches, .payload = nul_ended({""})};
  }
  return {.client = client,
          .operation = one_in(3) ? Operation::unwatch : Operation::watch,
          .payload = nul_ended({watched, token()})};
}

Step Script::transaction_request(std::size_t client) {
  const auto& open = transactions_[client];
  if (open.empty() || one_in(3)) {
    return {.client = client, .operation = Operation::transaction_start, .payload = nul_ended({""})};
  }
  const std::uint32_t id = *std::next(open.begin(), static_cast<std::ptrdiff_t>(below(open.size())));
  const bool is_given_up = one_in(4) || spoiled_.contains({client, id});
  return {.client = client,
          .operation = Operation::transaction_end,
          .payload = nul_ended({is_given_up ? "F" : "T"}),
          .transaction = id};
}

// No zone sets the permissions of special paths: xenstored answers that with an error that an earlier request has left
// behind, and not at all when there was none.
Step Script::domain_request(std::size_t client) {
  switch (below(client < kSockets ? 8 : 5)) {
    case 0:
      return {.client = client, .operation = Operation::get_domain_path, .payload = nul_ended({domain()})};
    case 1:
      return {.client = client, .operation = Operation::is_domain_introduced, .payload = nul_ended({domain()})};
    case 2:
      return {.client = client, .operation = Operation::resume, .payload = nul_ended({domain()})};
    case 3: {
      // A domain that has a target, or is one, stays half alive in xenstored after a RELEASE.
      const std::string released = domain();
      return {.client = client,
              .operation = targets_.contains(released) ? Operation::resume : Operation::release,
              .payload = nul_ended({released})};
    }
    case 4:
      return {.client = client, .operation = Operation::set_target, .payload = nul_ended({domain(), domain()})};
    case 5:
      return {.client = client,
              .operation = Operation::set_permissions,
              .payload = nul_ended({one_in(2) ? "@releaseDomain" : "@introduceDomain", "n0"}) +
                         (one_in(2) ? nul_ended({"r" + domain()}) : "")};
    default:
      return {.client = client, .operation = Operation::introduce, .payload = nul_ended({domain(), "1", "5"})};
  }
}

Step Script::next() {
  std::size_t client = below(kClients);
  if (gone_.contains(client)) {
    client = 0;
  }
  if (!gone_.empty() && one_in(4)) {
    return {.operation = Operation::introduce,
            .payload = nul_ended({std::to_string(domain_of(*gone_.begin())), "1", "5"})};
  }
  const std::size_t kind = below(100);
  if (kind < 70) {
    return node_request(client);
  }
  if (kind < 82) {
    return watch_request(client);
  }
  return kind < 97 ? transaction_request(client) : domain_request(client);
}

void Script::learn(const Step& step, const Outcome& outcome) {
  for (const Received& received : outcome.at(step.client)) {
    if (received.operation != std::to_underlying(step.operation)) {
      continue;
    }
    const std::size_t other = kSockets - 1 + static_cast<std::size_t>(number_of(step.payload));
    if (step.operation == Operation::transaction_start) {
      transactions_[step.client].insert(static_cast<std::uint32_t>(number_of(received.payload)));
    } else if (step.operation == Operation::set_target) {
      targets_.insert(step.payload.substr(0, step.payload.find('\0')));
      targets_.insert(std::to_string(number_of(step.payload.substr(step.payload.find('\0') + 1))));
    } else if (step.operation == Operation::reset_watches) {
      transactions_.erase(step.client);
    } else if (step.operation == Operation::release) {
      gone_.insert(other);
      transactions_.erase(other);
    } else if (step.operation == Operation::introduce) {
      gone_.erase(other);
      transactions_.erase(other);
    }
  }
  // xenstored lets a transaction fail in the end (ENOMEM) once one of its requests has met a quota.
  if (step.transaction != 0 && outcome.at(step.client).back().payload.starts_with("ENOSPC")) {
    spoiled_.insert({step.client, step.transaction});
  }
  if (step.operation == Operation::transaction_end) {
    spoiled_.erase({step.client, step.transaction});
    transactions_[step.client].erase(step.transaction);
  }
}

}  // namespace krata::store
