package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"drawdown/raftstore"
)

// clusterFlags make a node one of several.
type clusterFlags struct {
	NodeID        string `name:"node-id" help:"The node's name, as long as its data directory lives. Needed with --raft." placeholder:"NAME"`
	Raft          string `help:"Address, host:port, for the other nodes. Without it the node is alone." placeholder:"ADDR"`
	RaftAdvertise string `name:"raft-advertise" help:"Where the others find this node, if that is not what --peers or --raft say." placeholder:"ADDR"`

	Peers string `help:"The nodes that form the cluster together, this one among them: n1=RAFT@HTTP,n2=RAFT@HTTP,... Used at the first start; without it a node waits to be added with 'drawdown cluster add'." placeholder:"LIST"`

	TLSCert string `name:"tls-cert" help:"PEM file with this node's certificate for the other nodes; its DNS name is the node's." type:"path" placeholder:"FILE"`
	TLSKey  string `name:"tls-key" help:"PEM file with its key." type:"path" placeholder:"FILE"`
	TLSCA   string `name:"tls-ca" help:"PEM file with the certificate of whoever signs the nodes' certificates, and nobody else's." type:"path" placeholder:"FILE"`

	LogRetention uint64 `name:"log-retention" help:"MiB of the log that stay behind a snapshot for nodes that were away; one that was away for longer is sent the snapshot." default:"256"`

	InsecurePlaintext bool          `name:"insecure-plaintext" help:"Let nodes speak plain text beyond this machine: whoever reaches the port owns the ledger."`
	MaxClockAhead     time.Duration `name:"max-clock-ahead" help:"A node whose clock is this far ahead of most others' refuses to lead." default:"2s"`
}

// Validate is called before Run.
func (c *clusterFlags) Validate() error {
	switch {
	case c.Raft == "" && (c.Peers != "" || c.TLSCert != "" || c.InsecurePlaintext):
		return errors.New("--peers, --tls-cert and --insecure-plaintext need --raft, the node's own address for the others")
	case c.Raft == "":
		return nil
	case c.NodeID == "":
		return errors.New("--raft needs --node-id, the node's name")
	case c.LogRetention > maxDiskReserveMiB:
		return fmt.Errorf("--log-retention must be 0 to %d MiB", maxDiskReserveMiB)
	case c.MaxClockAhead < 100*time.Millisecond:
		return errors.New("--max-clock-ahead must be at least 100ms")
	}
	given := 0
	for _, file := range []string{c.TLSCert, c.TLSKey, c.TLSCA} {
		if file != "" {
			given++
		}
	}
	if given != 0 && given != 3 {
		return errors.New("--tls-cert, --tls-key and --tls-ca go together")
	}
	if _, _, err := net.SplitHostPort(c.Raft); err != nil {
		return fmt.Errorf("--raft: %q is not host:port", c.Raft)
	}
	if _, err := raftstore.ParsePeers(c.Peers); err != nil {
		return fmt.Errorf("--peers: %w", err)
	}
	return nil
}

// options are what the store makes of the flags, nil for a node alone.
func (c *clusterFlags) options(http string, cancel <-chan struct{}) (*raftstore.ClusterOptions, error) {
	if c.Raft == "" {
		return nil, nil
	}
	peers, err := raftstore.ParsePeers(c.Peers)
	if err != nil {
		return nil, err
	}
	o := &raftstore.ClusterOptions{
		Listen: c.Raft, Advertise: c.RaftAdvertise, Peers: peers, PlaintextAllowed: c.InsecurePlaintext, Cancel: cancel, HTTP: http,
	}
	if c.TLSCert != "" {
		o.TLS = &raftstore.TLSFiles{Cert: c.TLSCert, Key: c.TLSKey, CA: c.TLSCA}
	}
	return o, nil
}

// startAnew puts this very program in the place of the process, with the same
// arguments: another node has sent a snapshot, and a start begins with it. It does
// not return unless that fails.
func startAnew() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(program, os.Args, os.Environ())
}
