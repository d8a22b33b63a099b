// How an image is named. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/result.h"
#include "krata/image/content_digest.h"

namespace krata::image {

// HOST[:PORT]/REPOSITORY[:TAG][@DIGEST] (distribution-spec, "Pulling manifests"). A name without a host, "alpine", is
// one of `default_registry` (environment KRATA_REGISTRY): there is no registry that krata asks unbidden.
struct Reference {
  std::string host;        // lower case, with the port where there is one
  std::string repository;  // "library/alpine"
  std::string tag;         // "latest" where neither tag nor digest is given; empty with a digest alone
  std::optional<ContentDigest> digest;

  // Errors: invalid_input.
  static common::Result<Reference> parse(std::string_view text, std::string_view default_registry);

  [[nodiscard]] std::string text() const;
  // What a manifest is asked for by: the digest, else the tag.
  [[nodiscard]] std::string wanted() const { return digest ? digest->text() : tag; }
  [[nodiscard]] std::string host_name() const;  // without the port, and without the brackets of IPv6
  // "localhost", 127.0.0.0/8, ::1: nobody listens in.
  [[nodiscard]] bool is_loopback() const;
};

// A folder of image-spec's "Image Layout".
struct LayoutName {
  std::string folder;
  std::string ref_name;  // empty: the only image in it
};

// What `docker save` writes.
struct ArchiveName {
  std::string file;
};

using SourceName = std::variant<Reference, LayoutName, ArchiveName>;

// A registry's reference, "oci:DIR[:TAG]", "docker-archive:FILE". Errors: invalid_input.
common::Result<SourceName> parse_source(std::string_view text, std::string_view default_registry);

// "127.0.0.1", "localhost", "::1".
bool is_loopback_host(std::string_view host_name);

}  // namespace krata::image
