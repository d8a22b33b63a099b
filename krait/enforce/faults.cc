#include "krait/enforce/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace krait::enforce {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr const char* kTriesAgain = "krait reload tries again";

control::Fault name_taken(const std::string& interface) {
  return {.what = fmt::format(
              "{0} is an interface that krait did not make, and krait's own is gone; it is left as it is", interface),
          .hint = fmt::format("delete or rename it, and krait's is made anew; or have it guarded (krait-agent --iface "
                              "{}), or set another `interface` in krait.toml, after krait down",
                              interface)};
}

std::string rename_hint(const std::string& name, const std::string& wanted) {
  return fmt::format(
      "ip link set {0} down; ip link set {0} name {1}; ip link set {1} up; before that rename what else "
      "has the name {1}, if anything",
      name, wanted);
}

control::Fault moved(const About& about, const Sight& sight, const Outcome& outcome, bool was_removed_there) {
  const std::string what = fmt::format("{} was moved to another network namespace", about.interface);
  if (sight.observed.is_judged_there) {
    return {.what = what + " with its peers; it is judged there as before",
            .hint = about.is_managed ? "move it back; or delete it there, then krait reload makes it anew"
                                     : "move it back; or end this agent: krait down"};
  }
  const std::string unjudged = what + ", where nothing judges it on this kernel";
  if (!about.is_managed) {
    return {.what = unjudged + ": all that its peers send comes in",
            .hint = "move it back, or take its peers off there: it is not krait's to delete"};
  }
  if (was_removed_there) {
    return {.what = unjudged + ": it was deleted there", .hint = "krait reload makes it anew here"};
  }
  return {.what = fmt::format("{}, and it could not be deleted there: {}; all that its peers send comes in", unjudged,
                              outcome.failed ? outcome.failed->error.text() : "nobody tried"),
          .hint = "delete it there (ip link del), then krait reload makes it anew"};
}

// What to do about a step of its own kind that failed.
control::Fault step_fault(const About& about, const FailedStep& failed) {
  const std::string text = failed.error.text();
  switch (failed.step) {
    case Step::pin:
      return {.what = "the pins are gone, enforcement ends with this agent: " + text, .hint = "as root: krait reload"};
    case Step::get_ahead:
      return {.what = text,
              .hint = failed.error.code() == ErrorCode::unsupported
                          ? fmt::format("take it off: tc filter show dev {} ingress (and egress), tc filter del",
                                        about.interface)
                          : "take it off: bpftool net detach"};
    default:
      return {.what = fmt::format("{}: {}: {}", about.interface, doing(failed.step), text), .hint = kTriesAgain};
  }
}

}  // namespace

std::vector<control::Fault> place_faults(const About& about, const Sight& sight, const Outcome& outcome,
                                         bool was_removed_there) {
  switch (sight.observed.place) {
    case Place::here:
      return {};
    case Place::renamed:
      if (outcome.has_done(Step::rename)) {
        return {};
      }
      return {{.what = fmt::format("{} was renamed to {} by somebody else; it is judged as before", about.interface,
                                   sight.name),
               .hint = rename_hint(sight.name, about.interface)}};
    case Place::taken:
      return {name_taken(about.interface)};
    case Place::moved:
      return {moved(about, sight, outcome, was_removed_there)};
    case Place::absent:
      break;
  }
  if (about.is_managed) {
    return {};  // it was made anew, or a step has failed
  }
  return {{.what = fmt::format("{} is gone", about.interface),
           .hint = "it is guarded again as soon as somebody makes it, and open until then"}};
}

std::vector<control::Fault> step_faults(const About& about, const Outcome& outcome) {
  std::vector<control::Fault> faults;
  // Those two are faults of the place, which say it better.
  if (outcome.failed && outcome.failed->step != Step::rename && outcome.failed->step != Step::remove_there) {
    faults.push_back(step_fault(about, *outcome.failed));
  }
  std::ranges::transform(outcome.noted, std::back_inserter(faults),
                         [&](const FailedStep& failed) { return step_fault(about, failed); });
  return faults;
}

std::vector<control::Fault> pair_faults(const plan::Plan& plan) {
  constexpr std::size_t kMaxNamed = 4;
  std::vector<std::string> names;
  for (const model::Peer& peer : plan.mesh.peers) {
    if (std::ranges::find(plan.wireguard.unpaired, peer.public_key) != plan.wireguard.unpaired.end()) {
      names.push_back(peer.name);
    }
  }
  if (names.empty()) {
    return {};
  }
  std::string who = fmt::format("{}", fmt::join(std::span(names).first(std::min(names.size(), kMaxNamed)), ", "));
  if (names.size() > kMaxNamed) {
    who += fmt::format(" and {} more", names.size() - kMaxNamed);
  }
  return {{.what = fmt::format("no preshared key can be computed with {}, whose host key is none: no peer is made of "
                               "such a host",
                               who),
           .hint = "have an administrator remove it (krait-coordinator host remove), and let it join anew"}};
}

std::vector<control::Fault> refusal_faults(const std::vector<wireguard::Refusal>& refused) {
  std::vector<control::Fault> faults;
  std::ranges::transform(refused, std::back_inserter(faults), [](const wireguard::Refusal& refusal) {
    return control::Fault{.what = refusal.what, .hint = refusal.hint};
  });
  return faults;
}

Result<void> check_name(const About& about, const Sight& sight) {
  if (!about.is_managed) {
    return {};
  }
  if (sight.observed.place == Place::taken) {
    return Error(ErrorCode::invalid_input, name_taken(about.interface).text());
  }
  if (sight.observed.place == Place::renamed) {
    return Error(ErrorCode::invalid_input, fmt::format("{} is named {} now; {}", about.interface, sight.name,
                                                       rename_hint(sight.name, about.interface)));
  }
  return {};
}

Error run_error(const About& about, const Observed& before, Outcome outcome) {
  const std::string_view in_force = in_force_text(before, outcome);
  return std::move(outcome.failed->error)
      .with_context(fmt::format("{}: {}; {}", about.interface, doing(outcome.failed->step), in_force));
}

std::string changes_text(const std::string& interface, const wireguard::Changes& changes, bool were_refused) {
  std::string text;
  const auto add = [&](std::uint32_t count, std::string_view what) {
    if (count != 0) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
    }
  };
  add(changes.peers_added, "peers put back");
  add(changes.peers_changed, "peers set right");
  add(changes.peers_removed, "peers taken off that no file has");
  add(changes.addresses, "addresses set right");
  add(changes.routes, "routes set right");
  if (changes.device) {
    text += text.empty() ? "" : ", ";
    text += "key, port, MTU or up set right";
  }
  return were_refused ? fmt::format("{}: the kernel takes what it refused before: {}", interface, text)
                      : fmt::format("{} was changed by somebody else: {}", interface, text);
}

}  // namespace krait::enforce
