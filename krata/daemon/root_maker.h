// An image's file system and configuration from its name: finds it in the store of images, pulls it where it is not
// there, and packs it. All of it is done by the program krata, so that registries and layers are read in a process that
// is gone afterwards.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/event/loop.h"
#include "common/result.h"
#include "krata/daemon/child.h"
#include "krata/daemon/known_images.h"
#include "krata/daemon/paths.h"

namespace krata::daemon {

// One thread, inside a Loop. The destructor gives it up.
class RootMaker {
 public:
  // Called once, from the loop: the digest of the manifest, by which both files lie; may destroy the maker.
  using Done = std::function<void(common::Result<std::string>)>;

  // `known` is told what the image was found to be.
  RootMaker(common::Loop& loop, const Paths& paths, KnownImages& known, std::string image, Done done)
      : loop_(loop), paths_(paths), known_(known), image_(std::move(image)), done_(std::move(done)) {}

  common::Result<void> start() { return show(); }
  [[nodiscard]] const std::string& doing() const { return doing_; }

 private:
  using Next = void (RootMaker::*)(const ChildEnd&);

  common::Result<void> run(std::vector<std::string> words, Next next);
  common::Result<void> show();
  void shown(const ChildEnd& end);
  void pulled(const ChildEnd& end);
  void packed(const ChildEnd& end);
  void finish(common::Result<std::string> result);
  void go_on(common::Result<void> begun);

  common::Loop& loop_;
  const Paths& paths_;
  KnownImages& known_;
  std::optional<KnownImages::Stamp> before_;  // the image was looked for
  std::string image_;
  Done done_;
  std::string doing_;
  std::string digest_;
  bool has_pulled_ = false;
  std::unique_ptr<Child> child_;
};

// The error in what a program of ours has written with -o json. `what` names the program.
common::Error error_of_child(const ChildEnd& end, const std::string& what);

}  // namespace krata::daemon
