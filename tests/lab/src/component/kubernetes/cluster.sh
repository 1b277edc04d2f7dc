#!/bin/bash
# A single-node Kubernetes on loopback, without systemd: etcd, API server, controllers, scheduler, kubelet, containerd,
# kube-proxy and a registry to pull from. `up` and `down` are called by the lab, as root, with these variables:
#
#   BIN     the binaries of Kubernetes
#   S       the state folder; `down` removes it
#   PORTS   ten free loopback ports: API server, registry, etcd (2), kubelet, its health, proxy health, proxy metrics,
#           controllers, scheduler
#   LIGHT   1: etcd and API server alone, which need no root and change nothing of the machine
#
# Tests call `stop PART` and `start PART` (apiserver, kubelet), and `token NAMESPACE ACCOUNT UID SECONDS`, which prints a
# token of a service account that is valid for so long: the API server itself makes none for less than ten minutes.
#
# Pods ask for names at an address where nobody answers, unless the component `kubernetes-addons` does.
#
# Pods have a bridge and a network of their own. Nothing of it leaves the machine, and `down` takes away every process,
# mount, link and rule that came with it. A machine holds one: kube-proxy's chains and the kubelet's cgroups are its own.
set -euo pipefail
LIGHT=${LIGHT:-}
IP=127.0.0.1                     # every listener binds this address; also the node's name
read -r API REG ETCD ETCD_PEER KUBELET KUBELET_HEALTH PROXY_HEALTH PROXY_METRICS CONTROLLERS SCHEDULER <<<"$PORTS"
PODNET=10.244.0                  # /24
SVCNET=10.96.0                   # /24
BR=mlci-lab0
P=$S/pki; C=$S/conf; R=$S/run; L=$S/log
SOCK=$S/containerd.sock

say() { printf '%s %s\n' "$(date +%T)" "$*"; }

# ---------------------------------------------------------------- helpers
# A pid file holds "pid starttime", so that a pid used again after a crash or a reboot is never taken for ours.
started() { awk '{print $22}' "/proc/$1/stat" 2>/dev/null; }
pid_of() { # name -> pid, only while that very process lives (a zombie counts as gone; kill -0 would not tell)
  local p t; read -r p t 2>/dev/null <"$R/$1.pid" || return 1
  [ "$(started "$p")" = "$t" ] && ! grep -qs '^State:.Z' "/proc/$p/status" && echo "$p"
}
spawn() { # name cmd...   (own session, log file, pid file)
  local n=$1; shift
  if pid_of "$n" >/dev/null; then return 0; fi
  # umask 022 for the daemons: with 077, which keeps keys and state private, containerd makes the root of every image
  # 0700, and a container that does not run as root cannot reach its own program ("stat /server: permission denied").
  (umask 022; exec setsid "$@") >>"$L/$n.log" 2>&1 </dev/null &
  echo "$! $(started $!)" >"$R/$n.pid"
}
stop() { # name [seconds]
  local p i; p=$(pid_of "$1") || { rm -f "$R/$1.pid"; return 0; }
  kill "$p" 2>/dev/null || true
  for i in $(seq $(( ${2:-10} * 20 ))); do pid_of "$1" >/dev/null || break; sleep 0.05; done
  if pid_of "$1" >/dev/null; then echo "$1 had to be killed"; kill -9 "$p" 2>/dev/null || true; fi
  rm -f "$R/$1.pid"
}
waitfor() { # seconds what cmd...
  local end=$((SECONDS+$1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "timed out: $what" >&2; return 1; }; sleep 0.1
  done
  say "$what"
}
cert() { # name subject usage [san]
  local n=$1; [ -s "$P/$n.crt" ] && return 0
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$P/$n.key" 2>/dev/null
  openssl req -new -key "$P/$n.key" -subj "$2" -out "$P/$n.csr"
  openssl x509 -req -in "$P/$n.csr" -CA "$P/ca.crt" -CAkey "$P/ca.key" -set_serial "0x$(openssl rand -hex 8)" \
    -days 365 -out "$P/$n.crt" -extfile <(
      echo "keyUsage=critical,digitalSignature"; echo "extendedKeyUsage=$3"; [ -z "${4:-}" ] || echo "subjectAltName=$4") 2>/dev/null
}
kubeconf() { # name cert
  cat >"$S/$1.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://$IP:$API", certificate-authority: $P/ca.crt}}]
users: [{name: u, user: {client-certificate: $P/$2.crt, client-key: $P/$2.key}}]
contexts: [{name: lab, context: {cluster: lab, user: u}}]
current-context: lab
EOF
}

# ---------------------------------------------------------------- config
conf() {
  mkdir -p "$P" "$R" "$L"
  if [ ! -s "$P/ca.crt" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=lab-ca \
      -keyout "$P/ca.key" -out "$P/ca.crt" -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$P/sa.key" 2>/dev/null
    openssl pkey -in "$P/sa.key" -pubout -out "$P/sa.pub"
  fi
  cert apiserver /CN=kube-apiserver serverAuth "IP:$IP,IP:$SVCNET.1,DNS:localhost,DNS:kubernetes.default.svc"
  cert kubelet-client "/O=system:masters/CN=apiserver-kubelet-client" clientAuth
  cert front-proxy /CN=front-proxy clientAuth
  cert admin "/O=system:masters/CN=admin" clientAuth
  kubeconf admin admin
}
node_conf() {
  mkdir -p "$C/cni" "$C/certs.d/$IP:$REG" "$S/registry"
  cert kubelet-server /CN=kubelet serverAuth "IP:$IP,DNS:localhost"
  cert node "/O=system:nodes/CN=system:node:$IP" clientAuth
  cert kcm /CN=system:kube-controller-manager clientAuth
  cert scheduler /CN=system:kube-scheduler clientAuth
  cert proxy /CN=system:kube-proxy clientAuth
  local n; for n in node kcm scheduler proxy; do kubeconf $n $n; done

  cat >"$C/containerd.toml" <<EOF
version = 2
root = "$S/containerd"
state = "$S/containerd-run"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$SOCK"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "lab.local/pause:1"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$C/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$C/certs.d"
EOF
  cat >"$C/certs.d/$IP:$REG/hosts.toml" <<EOF
server = "http://$IP:$REG"
[host."http://$IP:$REG"]
  capabilities = ["pull", "resolve"]
EOF
  cat >"$C/cni/10-lab.conflist" <<EOF
{"cniVersion": "1.0.0", "name": "lab", "plugins": [
 {"type": "bridge", "bridge": "$BR", "isGateway": true, "hairpinMode": true, "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "$S/ipam", "ranges": [[{"subnet": "$PODNET.0/24"}]],
           "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
  cat >"$C/registry.yml" <<EOF
version: 0.1
storage: {filesystem: {rootdirectory: $S/registry}, delete: {enabled: true}}
http: {addr: "$IP:$REG"}
EOF
  echo "nameserver 127.0.0.1" >"$C/resolv.conf"
  cat >"$C/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $IP
port: $KUBELET
readOnlyPort: 0
healthzBindAddress: $IP
healthzPort: $KUBELET_HEALTH
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $P/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $P/kubelet-server.crt
tlsPrivateKeyFile: $P/kubelet-server.key
containerRuntimeEndpoint: unix://$SOCK
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
resolvConf: $C/resolv.conf
clusterDNS: [169.254.20.10]
clusterDomain: cluster.local
podLogsDir: $S/pods-log
volumePluginDir: $S/volplugins
serializeImagePulls: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 64Mi, nodefs.available: "1%", imagefs.available: "1%", nodefs.inodesFree: "1%"}
EOF
  cat >"$C/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
hostnameOverride: "$IP"
bindAddress: $IP
healthzBindAddress: $IP:$PROXY_HEALTH
metricsBindAddress: $IP:$PROXY_METRICS
clusterCIDR: $PODNET.0/24
nodePortAddresses: ["127.0.0.0/8"]
clientConnection: {kubeconfig: $S/proxy.kubeconfig}
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 100ms}
EOF
}

# A pause image without docker: one static binary, one layer, docker-archive form.
pause_image() {
  local d=$S/pause; [ -s "$d/pause.tar" ] && return 0
  mkdir -p "$d/root"
  cat >"$d/pause.c" <<'EOF'
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void die(int s) { (void)s; _exit(0); }
static void reap(int s) { (void)s; while (waitpid(-1, NULL, WNOHANG) > 0) {} }
int main(void) { signal(SIGINT, die); signal(SIGTERM, die); signal(SIGCHLD, reap); for (;;) pause(); }
EOF
  cc -Os -static -s -o "$d/root/pause" "$d/pause.c"
  tar -C "$d/root" --owner=0 --group=0 --mtime=@0 -cf "$d/layer.tar" pause
  local sum; sum=$(sha256sum <"$d/layer.tar" | cut -d' ' -f1)
  echo '{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/pause"],"User":"65535:65535"},"rootfs":{"type":"layers","diff_ids":["sha256:'$sum'"]}}' >"$d/config.json"
  echo '[{"Config":"config.json","RepoTags":["lab.local/pause:1"],"Layers":["layer.tar"]}]' >"$d/manifest.json"
  tar -C "$d" -cf "$d/pause.tar" manifest.json config.json layer.tar
}

SYSCTLS="net.ipv4.ip_forward net.ipv4.conf.all.route_localnet vm.overcommit_memory kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes net.netfilter.nf_conntrack_tcp_timeout_established net.netfilter.nf_conntrack_tcp_timeout_close_wait net.netfilter.nf_conntrack_tcp_be_liberal"

# Nothing for the pod or service network ever leaves the machine; pods reach the API at the service address.
guard() {
  iptables -w -N KUBE-LAB 2>/dev/null || return 0
  iptables -w -A KUBE-LAB -o lo -j RETURN
  iptables -w -A KUBE-LAB -d $SVCNET.0/24 -j REJECT            # a service address that kube-proxy does not know
  iptables -w -A KUBE-LAB -i $BR ! -o $BR -j REJECT            # pods to the outside
  iptables -w -A FORWARD -j KUBE-LAB
  iptables -w -A OUTPUT -j KUBE-LAB
  iptables -w -t mangle -N KUBE-LAB                            # in POSTROUTING: OUTPUT still sees the route from before the DNAT
  iptables -w -t mangle -A KUBE-LAB -d $PODNET.0/24 ! -o $BR -j DROP   # a pod address while the bridge is gone
  iptables -w -t mangle -A POSTROUTING -j KUBE-LAB
  iptables -w -t nat -N KUBE-LAB
  iptables -w -t nat -A KUBE-LAB -i $BR -d $SVCNET.1 -p tcp --dport 443 -j DNAT --to-destination $IP:$API
  iptables -w -t nat -A PREROUTING -j KUBE-LAB
}

# ---------------------------------------------------------------- parts
etcd() {
  spawn etcd "$(type -P etcd)" --name lab --data-dir "$S/etcd" --log-level warn --logger zap \
    --listen-client-urls "http://$IP:$ETCD" --advertise-client-urls "http://$IP:$ETCD" \
    --listen-peer-urls "http://$IP:$ETCD_PEER" --initial-advertise-peer-urls "http://$IP:$ETCD_PEER" \
    --initial-cluster "lab=http://$IP:$ETCD_PEER"
}
apiserver() {
  spawn apiserver "$BIN/kube-apiserver" --etcd-servers="http://$IP:$ETCD" \
    --bind-address="$IP" --secure-port="$API" --endpoint-reconciler-type=none \
    --service-cluster-ip-range="$SVCNET.0/24" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --client-ca-file="$P/ca.crt" --tls-cert-file="$P/apiserver.crt" --tls-private-key-file="$P/apiserver.key" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$P/sa.pub" \
    --service-account-signing-key-file="$P/sa.key" \
    --kubelet-client-certificate="$P/kubelet-client.crt" --kubelet-client-key="$P/kubelet-client.key" \
    --kubelet-certificate-authority="$P/ca.crt" \
    --requestheader-client-ca-file="$P/ca.crt" --requestheader-allowed-names=front-proxy \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$P/front-proxy.crt" --proxy-client-key-file="$P/front-proxy.key"
}
apiserver_ready() {
  waitfor 60 "apiserver ready" curl -sf --cacert "$P/ca.crt" --cert "$P/admin.crt" --key "$P/admin.key" "https://$IP:$API/readyz"
}
kubelet() {
  spawn kubelet "$BIN/kubelet" --config="$C/kubelet.yaml" --kubeconfig="$S/node.kubeconfig" --root-dir="$S/kubelet" \
    --cert-dir="$S/kubelet/pki" --hostname-override="$IP"
}

# ---------------------------------------------------------------- up
up() {
  local t0; t0=$(date +%s%N)
  umask 077
  mkdir -p "$S" "$R" "$L"
  conf
  etcd
  apiserver
  if [ -z "$LIGHT" ]; then node; else apiserver_ready; fi
  say "up in $(( ($(date +%s%N)-t0)/1000000 )) ms"
}
node() {
  [ -s "$S/sysctl.before" ] || sysctl -e $SYSCTLS 2>/dev/null >"$S/sysctl.before" || true
  node_conf; guard; say "config, certificates, guard rules"
  spawn containerd containerd --config "$C/containerd.toml"
  spawn registry docker-registry serve "$C/registry.yml"
  pause_image
  waitfor 30 "containerd answers" ctr -a "$SOCK" version
  ctr -a "$SOCK" -n k8s.io images ls -q | grep -qx lab.local/pause:1 ||
    ctr -a "$SOCK" -n k8s.io images import "$S/pause/pause.tar" >/dev/null
  apiserver_ready
  spawn kcm "$BIN/kube-controller-manager" --kubeconfig="$S/kcm.kubeconfig" --bind-address="$IP" --secure-port="$CONTROLLERS" --leader-elect=false \
    --service-account-private-key-file="$P/sa.key" --root-ca-file="$P/ca.crt" --use-service-account-credentials \
    --cluster-signing-cert-file="$P/ca.crt" --cluster-signing-key-file="$P/ca.key"
  spawn scheduler "$BIN/kube-scheduler" --kubeconfig="$S/scheduler.kubeconfig" --bind-address="$IP" --secure-port="$SCHEDULER" \
    --leader-elect=false
  kubelet
  spawn proxy "$BIN/kube-proxy" --config="$C/proxy.yaml"
  export KUBECONFIG=$S/admin.kubeconfig
  waitfor 30 "node registered" kubectl get node "$IP"
  kubectl wait --for=condition=Ready "node/$IP" --timeout=60s >/dev/null; say "node Ready"
  waitfor 30 "default service account" kubectl -n default get serviceaccount default
  waitfor 20 "registry answers" curl -sf "http://$IP:$REG/v2/"
}

# ---------------------------------------------------------------- for tests
start() { # part
  umask 077
  case $1 in
    apiserver) apiserver; apiserver_ready ;;
    kubelet) kubelet ;;
    *) echo "no such part: $1" >&2; exit 2 ;;
  esac
}
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
token() { # namespace account uid seconds   (RFC 7515; a service account's claims are those of the API server's own tokens)
  local now end claims text signature
  # The API server takes a token for a minute longer than it says, and what it has looked at for ten seconds more.
  now=$(($(date +%s) - 60)); end=$((now + $4))
  claims=$(printf '{"iss":"%s","aud":["%s"],"iat":%d,"nbf":%d,"exp":%d,"sub":"system:serviceaccount:%s:%s","kubernetes.io":{"namespace":"%s","serviceaccount":{"name":"%s","uid":"%s"}}}' \
    https://kubernetes.default.svc https://kubernetes.default.svc "$now" "$now" "$end" "$1" "$2" "$1" "$2" "$3")
  text=$(printf '{"alg":"ES256"}' | base64url).$(printf '%s' "$claims" | base64url)
  # OpenSSL writes the two numbers of an ECDSA signature as ASN.1; a JWT has each as 32 bytes (RFC 7518, 3.4).
  signature=$(printf '%s' "$text" | openssl dgst -sha256 -sign "$P/sa.key" | openssl asn1parse -inform DER |
    sed -n 's/.*INTEGER *://p' | while read -r number; do printf '%64s' "$number" | tr ' ' 0; done)
  # shellcheck disable=SC2059
  printf '%s.%s' "$text" "$(printf "$(sed 's/../\\x&/g' <<<"$signature")" | base64url)"
}

# ---------------------------------------------------------------- down
down() {
  local t0 n id d; t0=$(date +%s%N)
  if [ -d "$R" ]; then
    for n in kubelet proxy scheduler kcm; do stop $n 5 & done; wait
    if [ -S "$SOCK" ] && ctr -a "$SOCK" version >/dev/null 2>&1; then
      for id in $(ctr -a "$SOCK" -n k8s.io tasks ls -q 2>/dev/null); do ctr -a "$SOCK" -n k8s.io tasks kill -s SIGKILL -a "$id" 2>/dev/null || true; done
      for id in $(ctr -a "$SOCK" -n k8s.io tasks ls -q 2>/dev/null); do ctr -a "$SOCK" -n k8s.io tasks rm -f "$id" >/dev/null 2>&1 || true; done
    fi
    for n in apiserver registry; do stop $n 5 & done; wait
    stop etcd 5; stop containerd 5
  fi
  # shims of this containerd only (their command line carries our socket)
  for id in $( { grep -lsF -- "$SOCK" /proc/[0-9]*/cmdline || true; } | cut -d/ -f3); do
    if grep -qs containerd-shim "/proc/$id/cmdline"; then kill -9 "$id" 2>/dev/null || true; fi
  done
  [ -n "$LIGHT" ] || machine_down
  rm -rf "$S"
  [ -n "$LIGHT" ] || find -L /var/log/containers /var/log/pods -maxdepth 1 -type l -delete 2>/dev/null || true
  say "down in $(( ($(date +%s%N)-t0)/1000000 )) ms"
}
machine_down() { # what the node has changed of the machine
  local d
  awk -v s="$S/" 'index($5,s)==1{print $5}' /proc/self/mountinfo | sort -r | while read -r d; do umount -l "$d" || true; done
  ip link del "$BR" 2>/dev/null || true
  clean_iptables
  for d in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do [ -d "$d" ] && find "$d" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
  [ -s "$S/sysctl.before" ] && sysctl -qp "$S/sysctl.before" 2>/dev/null || true
}
clean_iptables() { # every chain of kube-proxy, kubelet and the portmap plugin, and each rule that jumps to one
  local b t rule chain chains
  for b in iptables ip6tables; do for t in nat filter mangle; do
    { $b -w -t $t -S 2>/dev/null | grep -E '^-A (PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) .*-j (KUBE|CNI)-' || true; } |
      sed 's/^-A/-D/' | while read -r rule; do eval "$b -w -t $t $rule" || true; done
    chains=$($b -w -t $t -S 2>/dev/null | sed -nE 's/^-N ((KUBE|CNI)-.*)/\1/p')
    for chain in $chains; do $b -w -t $t -F "$chain" || true; done
    for chain in $chains; do $b -w -t $t -X "$chain" || true; done
  done; done
}

case "${1:-}" in
  up|down) "$1" ;;
  start) start "$2" ;;
  stop) stop "$2" 10 ;;
  token) token "${@:2}" ;;
  *) echo "usage: $0 up|down|start PART|stop PART|token NAMESPACE ACCOUNT UID SECONDS" >&2; exit 2 ;;
esac
