// Requests about domains, and about the store itself.
#include <algorithm>
#include <array>

#include "krata/store/store.h"

namespace krata::store {

namespace {

constexpr DomainId kFirstReserved = 0x7ff0;  // DOMID_FIRST_RESERVED and DOMID_SELF of xen/xen.h

bool is_zone(std::int32_t domain) { return domain > 0 && static_cast<DomainId>(domain) < kFirstReserved; }

}  // namespace

Store::Payload Store::introduce(Turn& turn) {
  const auto strings = strings_of(turn.request.payload);
  if (!strings || strings->size() < 3) {
    return refuse(Refusal::einval);
  }
  const std::int32_t number = number_of(strings->front());
  const std::int32_t port = number_of((*strings)[2]);
  if (!is_zone(number) || port <= 0) {
    return refuse(Refusal::einval);
  }
  const DomainIntroduced introduced{.domain = static_cast<DomainId>(number),
                                    .page = static_cast<std::uint64_t>(number_of((*strings)[1])),
                                    .port = static_cast<std::uint32_t>(port)};
  const auto place = rings_.connect(introduced.domain, introduced.page, introduced.port);
  if (!place) {
    return refuse(place.error());
  }
  const bool is_new = !is_introduced(introduced.domain);
  take(introduced);
  note(introduced);
  if (is_new) {
    tell_special(Special::introduce_domain, introduced.domain, turn.out);
  } else {
    give_up_on(introduced.domain);
  }
  start_streams(introduced.domain, *place);
  return done();
}

Store::Payload Store::release(Turn& turn) {
  const auto given = single_string(turn.request.payload);
  const std::int32_t number = given ? number_of(*given) : 0;
  if (number == 0) {
    return refuse(Refusal::einval);
  }
  if (!is_introduced(static_cast<DomainId>(number))) {
    return refuse(Refusal::enoent);
  }
  forget_domain(static_cast<DomainId>(number), turn.out);
  return done();
}

// Whoever relied on a right of the domain, or on its target, has it no more.
void Store::forget_domain(DomainId domain, Messages& out) {
  rings_.disconnect(domain);
  const Edit edit = plan_forget_domain(tree_, domain);
  for (const TreeChange& change : edit.changes) {
    apply(change);
  }
  end_all_of(domain);  // before the events: it gets none of them
  for (const NodeEvent& event : edit.events) {
    tell(event, out);
  }
  take(DomainForgotten{.domain = domain});
  note(DomainForgotten{.domain = domain});
  tell_special(Special::release_domain, domain, out);
}

void Store::domain_gone(DomainId domain, Messages& out) {
  if (is_introduced(domain)) {
    forget_domain(domain, out);
  }
}

void Store::domain_shut_down(DomainId domain, Messages& out) {
  const auto found = domains_.find(domain);
  if (found == domains_.end() || found->second.is_shut_down) {
    return;
  }
  found->second.is_shut_down = true;
  note(DomainShutDown{.domain = domain, .is_down = true});
  tell_special(Special::release_domain, domain, out);
}

Store::Payload Store::resume(Turn& turn) {
  const auto given = single_string(turn.request.payload);
  const std::int32_t number = given ? number_of(*given) : 0;
  if (number == 0) {
    return refuse(Refusal::einval);
  }
  const auto found = domains_.find(static_cast<DomainId>(number));
  if (found == domains_.end()) {
    return refuse(Refusal::enoent);
  }
  found->second.is_shut_down = false;
  note(DomainShutDown{.domain = found->first, .is_down = false});
  return done();
}

Store::Payload Store::set_target(Turn& turn) {
  const auto strings = strings_of(turn.request.payload);
  if (!strings || strings->size() != 2) {
    return refuse(Refusal::einval);
  }
  const std::int32_t number = number_of(strings->front());
  const std::int32_t target = number_of(strings->back());
  if (number == 0 || target == 0) {
    return refuse(Refusal::einval);
  }
  const DomainTargeted targeted{.domain = static_cast<DomainId>(number), .target = static_cast<DomainId>(target)};
  if (!is_introduced(targeted.domain) || !is_introduced(targeted.target)) {
    return refuse(Refusal::enoent);
  }
  take(targeted);
  note(targeted);
  return done();
}

Store::Payload Store::get_domain_path(Turn& turn) {
  const auto given = single_string(turn.request.payload);
  if (!given) {
    return refuse(given.error());
  }
  return domain_path(static_cast<std::uint32_t>(number_of(*given))).append(1, '\0');
}

Store::Payload Store::is_domain_introduced(Turn& turn) {
  const auto given = single_string(turn.request.payload);
  if (!given) {
    return refuse(given.error());
  }
  const auto domain = static_cast<DomainId>(number_of(*given));
  const bool is_known = domain == 0 || domain == kFirstReserved || is_introduced(domain);
  return std::string(is_known ? "T" : "F").append(1, '\0');
}

namespace {

struct NamedQuota {
  std::string_view name;
  std::uint32_t Quota::* value;
};
constexpr std::array<NamedQuota, 8> kQuotas{{{"nodes", &Quota::nodes},
                                             {"watches", &Quota::watches},
                                             {"transactions", &Quota::transactions},
                                             {"outstanding", &Quota::outstanding},
                                             {"transaction-nodes", &Quota::transaction_nodes},
                                             {"node-size", &Quota::node_size},
                                             {"path-max", &Quota::path_max},
                                             {"permissions", &Quota::permissions}}};

std::string text_of(const Served& served) {
  std::string text;
  for (std::uint32_t number = 0; number < served.requests.size(); ++number) {
    if (const auto name = name_of(Operation{number}); !name.empty()) {
      text.append(name).append(": ").append(std::to_string(served.requests.at(number))).append(1, '\n');
    }
  }
  return text.append("refused: ").append(std::to_string(served.refused)).append("\n").append(1, '\0');
}

std::string text_of(const Quota& quota) {
  std::string text = "Quota settings:\n";
  for (const NamedQuota& entry : kQuotas) {
    text.append(entry.name).append(": ").append(std::to_string(quota.*entry.value)).append(1, '\n');
  }
  return text.append(1, '\0');
}

}  // namespace

// What the documentation calls specific to the implementation: as much as has a meaning here.
Store::Payload Store::control(Turn& turn) {
  const auto strings = strings_of(turn.request.payload);
  if (!strings || strings->empty()) {
    return refuse(Refusal::einval);
  }
  const std::string_view command = strings->front();
  if (command == "check" && strings->size() == 1) {
    return done();
  }
  if (command == "help" && strings->size() == 1) {
    return std::string("check\nquota\t[set <name> <val>|<domid>]\nrequests\nhelp\n").append(1, '\0');
  }
  if (command == "quota" && strings->size() == 1) {
    return text_of(quota_);
  }
  if (command == "quota" && strings->size() == 2) {
    const auto domain = static_cast<DomainId>(number_of((*strings)[1]));
    if (!is_introduced(domain)) {
      return refuse(Refusal::enoent);
    }
    return ("nodes: " + std::to_string(tree_.nodes_of(domain)) +
            "\nwatches: " + std::to_string(watches_.count(domain)) +
            "\ntransactions: " + std::to_string(open_transactions(domain)) + "\n")
        .append(1, '\0');
  }
  if (command == "quota" && strings->size() == 4 && (*strings)[1] == "set") {
    const auto entry = std::ranges::find(kQuotas, (*strings)[2], &NamedQuota::name);
    if (entry == kQuotas.end() || number_of((*strings)[3]) <= 0) {
      return refuse(Refusal::einval);
    }
    quota_.*(entry->value) = static_cast<std::uint32_t>(number_of((*strings)[3]));
    return done();
  }
  if (command == "requests" && strings->size() == 1) {
    return text_of(served_);
  }
  return refuse(Refusal::einval);
}

}  // namespace krata::store
