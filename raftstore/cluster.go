package raftstore

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/raft"
)

// Peer is a node as the operator names it.
type Peer struct {
	ID   string
	Raft string // host:port for the other nodes
	HTTP string // host:port for callers; "" if unknown
}

// ClusterOptions make a node part of a cluster. A node without them is a cluster
// of one voter, without an open port.
type ClusterOptions struct {
	// Listen is the address, host:port, for the other nodes: raft and what they ask of
	// each other share it.
	Listen string
	// Advertise is where the others find this node; "" is what Peers say of it, or else
	// Listen.
	Advertise string
	// Peers are the voters that found the cluster together, this node among them.
	// They are used at the first start only. Empty: the node waits until a cluster
	// that exists adds it.
	Peers []Peer
	// TLS is the certificate by which nodes know each other; nil is plain text,
	// which is refused beyond loopback unless PlaintextAllowed.
	TLS              *TLSFiles
	PlaintextAllowed bool
	// Cancel, when closed, ends the wait for the other founders.
	Cancel <-chan struct{}
	// HTTP is where this node answers callers, for the others to tell.
	HTTP string
}

// ParsePeers reads "n1=RAFT@HTTP,n2=RAFT@HTTP"; the part from @ on may be left out.
func ParsePeers(text string) ([]Peer, error) {
	var peers []Peer
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		p, err := ParsePeer(item)
		if err != nil {
			return nil, err
		}
		for _, other := range peers {
			if other.ID == p.ID || other.Raft == p.Raft {
				return nil, fmt.Errorf("peer %q: the name or the address is given twice", item)
			}
		}
		peers = append(peers, p)
	}
	// The founders write the same first entry, whatever the order in which they
	// were named.
	slices.SortFunc(peers, func(a, b Peer) int { return strings.Compare(a.ID, b.ID) })
	return peers, nil
}

// ParsePeer reads "n1=RAFT@HTTP".
func ParsePeer(item string) (Peer, error) {
	id, rest, ok := strings.Cut(item, "=")
	if !ok {
		return Peer{}, fmt.Errorf("peer %q: expected NAME=RAFT@HTTP, for example n1=127.0.0.1:7101@127.0.0.1:8101", item)
	}
	p := Peer{ID: id}
	p.Raft, p.HTTP, _ = strings.Cut(rest, "@")
	if err := checkName(p.ID); err != nil {
		return Peer{}, fmt.Errorf("peer %q: %w", item, err)
	}
	for _, address := range []string{p.Raft, p.HTTP} {
		if address == "" && address == p.HTTP {
			continue
		}
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" || port == "0" {
			return Peer{}, fmt.Errorf("peer %q: %q is not host:port", item, address)
		}
	}
	return p, nil
}

// nodeNameMax bounds a node's name, bytes: it stands in certificates and in hellos.
const nodeNameMax = 64

// checkName accepts what can stand in a certificate as a host name.
func checkName(id string) error {
	valid := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_'
	}
	if id == "" || len(id) > nodeNameMax || strings.ContainsFunc(id, func(r rune) bool { return !valid(r) }) {
		return fmt.Errorf("a node's name is 1 to %d letters, digits, dots, dashes and underscores, not %q", nodeNameMax, id)
	}
	return nil
}

// check refuses options that cannot work, before anything is touched.
func (c *ClusterOptions) check(node string) error {
	if node == "" {
		return errors.New("a node of a cluster needs a name")
	}
	if err := checkName(node); err != nil {
		return err
	}
	if len(c.Peers) > 0 && c.peer(node) == nil {
		return fmt.Errorf("node %q is not among the peers", node)
	}
	if c.TLS != nil || c.PlaintextAllowed {
		return nil
	}
	addresses := []string{c.Listen}
	for _, p := range c.Peers {
		addresses = append(addresses, p.Raft)
	}
	for _, address := range addresses {
		if !isLoopback(address) {
			return fmt.Errorf("the nodes would speak plain text over %s, where anybody who reaches the port owns the ledger; "+
				"give certificates, or allow plain text explicitly on a network that is yours alone", address)
		}
	}
	return nil
}

func (c *ClusterOptions) peer(id string) *Peer {
	for i := range c.Peers {
		if c.Peers[i].ID == id {
			return &c.Peers[i]
		}
	}
	return nil
}

// servers is the configuration that the founders begin with.
func (c *ClusterOptions) servers() (servers []raft.Server) {
	for _, p := range c.Peers {
		servers = append(servers, raft.Server{
			Suffrage: raft.Voter, ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Raft),
		})
	}
	return servers
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
