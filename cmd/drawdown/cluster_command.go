package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"drawdown/api"
	"drawdown/raftstore"
)

// clusterCommand looks at a cluster and changes it, through any of its nodes.
type clusterCommand struct {
	Status   clusterStatusCommand   `cmd:"" help:"How each node is."`
	Add      clusterAddCommand      `cmd:"" help:"Have a new node take part: it votes once it has caught up."`
	Remove   clusterRemoveCommand   `cmd:"" help:"Take a node out. Refused if the rest could decide nothing."`
	Transfer clusterTransferCommand `cmd:"" help:"Have another node lead."`
	Snapshot clusterSnapshotCommand `cmd:"" help:"Have the node take a snapshot now."`
	Local    clusterLocalCommand    `cmd:"" help:"Run three nodes on this machine until SIGINT or SIGTERM."`
}

// nodeURL is which node is asked.
type nodeURL struct {
	URL string `help:"A node of the cluster." default:"http://127.0.0.1:8080" placeholder:"URL"`
}

// clusterCallTime is longer than a node itself takes over any of these calls.
const clusterCallTime = 40 * time.Second

// call asks the node and decodes its answer. What the node refuses is the error, in
// its words.
func (n *nodeURL) call(ctx context.Context, method, path string, body, result any) error {
	ctx, cancel := context.WithTimeout(ctx, clusterCallTime)
	defer cancel()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(n.URL, "/")+path, reader)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var refusal struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(text, &refusal) != nil || refusal.Error == "" {
			refusal.Error = strings.TrimSpace(string(text))
		}
		return fmt.Errorf("%s answers %d: %s", n.URL, response.StatusCode, refusal.Error)
	}
	return json.Unmarshal(text, result)
}

type clusterStatusCommand struct {
	nodeURL
	JSON bool `name:"json" help:"Print all that there is, as JSON."`
}

// Run prints the status.
func (c *clusterStatusCommand) Run(ctx context.Context) error {
	var status api.Status
	if err := c.call(ctx, http.MethodGet, "/cluster/status", nil, &status); err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(status)
	}
	return printStatus(os.Stdout, &status)
}

func printStatus(to io.Writer, status *api.Status) error {
	leader := status.Leader
	if leader == "" {
		leader = "none"
	}
	fmt.Fprintf(to, "cluster %s, term %d, leader %s\n", status.Cluster, status.Term, leader)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tROLE\tAPPLIED\tLAG\tSNAPSHOT\tDISK FREE\tCLOCK\tHTTP\tREMARK")
	for i := range status.Nodes {
		n := &status.Nodes[i]
		role := n.Role
		if !n.Voter {
			role = "joining"
		}
		if !n.Reached {
			role = "not reached"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d MiB\t%+d ms\t%s\t%s\n", n.Node, role, n.AppliedIndex, n.Lag, n.SnapshotIndex,
			n.DiskFreeBytes>>20, n.ClockOffsetMS, n.HTTP, remark(n))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	verdict := "state hashes agree"
	if !status.HashesAgree {
		verdict = "STATE HASHES DIFFER"
	}
	_, err := fmt.Fprintf(to, "%s at index %d\n", verdict, status.CommonIndex)
	return err
}

func remark(n *api.NodeStatus) string {
	switch {
	case n.Error != "" && !n.Reached:
		return n.Error
	case n.Receiving != nil:
		return fmt.Sprintf("receiving snapshot %s, %d of %d bytes", n.Receiving.Snapshot, n.Receiving.Bytes, n.Receiving.TotalBytes)
	case n.ClockAhead:
		return "its clock is too far ahead to lead"
	case n.DiskFull:
		return "its disk is nearly full"
	}
	return ""
}

// memberCall is the body of a change.
type memberCall struct {
	Node string `json:"node,omitempty"`
	Raft string `json:"raft,omitempty"`
}

type memberReply struct {
	Node   string `json:"node"`
	Status string `json:"status"`
}

type clusterAddCommand struct {
	nodeURL
	Node string        `arg:"" help:"NAME=RAFT: the new node's name and its address for the others."`
	Wait time.Duration `help:"How long to wait until it votes; 0 does not wait." default:"10m"`
}

// Run adds the node and waits until it votes.
func (c *clusterAddCommand) Run(ctx context.Context) error {
	p, err := raftstore.ParsePeer(c.Node)
	if err != nil {
		return err
	}
	var reply memberReply
	if err := c.call(ctx, http.MethodPost, "/cluster/add", memberCall{p.ID, p.Raft}, &reply); err != nil {
		return err
	}
	fmt.Printf("%s is a member, without a vote until it has caught up\n", p.ID)
	return c.await(ctx, p.ID)
}

func (c *clusterAddCommand) await(ctx context.Context, node string) error {
	said := ""
	for deadline := time.Now().Add(c.Wait); time.Now().Before(deadline); {
		var status api.Status
		if err := c.call(ctx, http.MethodGet, "/cluster/status", nil, &status); err != nil {
			return err
		}
		for i := range status.Nodes {
			n := &status.Nodes[i]
			if n.Node != node {
				continue
			}
			if n.Voter {
				fmt.Printf("%s votes\n", node)
				return nil
			}
			if now := fmt.Sprintf("%s: %d entries behind %s", node, n.Lag, remark(n)); now != said {
				fmt.Println(now)
				said = now
			}
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if c.Wait > 0 {
		return fmt.Errorf("%s has not caught up within %v; it goes on, see `drawdown cluster status`", node, c.Wait)
	}
	return nil
}

type clusterRemoveCommand struct {
	nodeURL
	Node string `arg:"" help:"The node's name."`
}

// Run removes the node.
func (c *clusterRemoveCommand) Run(ctx context.Context) error {
	var reply memberReply
	if err := c.call(ctx, http.MethodPost, "/cluster/remove", memberCall{Node: c.Node}, &reply); err != nil {
		return err
	}
	fmt.Printf("%s is no member any more; stop it, and never start it again with this data directory\n", c.Node)
	return nil
}

type clusterTransferCommand struct {
	nodeURL
	To string `help:"The node that is to lead; the one that is furthest if left out." placeholder:"NAME"`
}

// Run hands the leadership over.
func (c *clusterTransferCommand) Run(ctx context.Context) error {
	var reply memberReply
	if err := c.call(ctx, http.MethodPost, "/cluster/transfer", memberCall{Node: c.To}, &reply); err != nil {
		return err
	}
	fmt.Println("the leadership was handed over")
	return nil
}

type clusterSnapshotCommand struct{ nodeURL }

// Run takes a snapshot.
func (c *clusterSnapshotCommand) Run(ctx context.Context) error {
	var reply struct {
		Index uint64 `json:"index"`
	}
	if err := c.call(ctx, http.MethodPost, "/cluster/snapshot", nil, &reply); err != nil {
		return err
	}
	fmt.Printf("a snapshot stands at index %d\n", reply.Index)
	return nil
}
