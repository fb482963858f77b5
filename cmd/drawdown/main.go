// Command drawdown is a credit-billing engine: one binary that serves a node,
// and shows what it promises.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"drawdown/bench"
)

// version is set by the release build with -ldflags.
var version = "devel"

const description = `Prepaid credits for usage billing: counts each meter event exactly once, draws
the customer's grants down, and answers with the truth while the caller waits.

Every flag can also be given in the environment (DRAWDOWN_HTTP for --http) and in
the YAML file named by --config (http: 127.0.0.1:8080). A flag on the command line
wins over the environment, and that over the file.`

// cli is the command line.
type cli struct {
	Config  kong.ConfigFlag  `help:"A YAML file with flags as keys." type:"path" placeholder:"FILE" env:"DRAWDOWN_CONFIG"`
	Version kong.VersionFlag `help:"Print the version."`

	Serve   serveCommand   `cmd:"" help:"Run a node until SIGTERM or SIGINT."`
	Cluster clusterCommand `cmd:"" help:"Look at a cluster and change it."`
	Bench   benchCommands  `cmd:"" help:"Put load on a node and measure it; compare; measure growth."`
	Demo    demoCommand    `cmd:"" help:"Show on a throw-away node: the four steps, a million events, a kill in the middle, the sums."`
}

// demoCommand runs the demonstration with this very program.
type demoCommand struct{}

func (demoCommand) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return bench.Demo(ctx, program, os.Stdout)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser, err := newParser(&c, ctx)
	if err != nil {
		panic(err)
	}
	parsed, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	parsed.FatalIfErrorf(parsed.Run())
}

// noVersionFromEnvironment: container images like to set DRAWDOWN_VERSION, and that
// must not make every command print the version and end.
func noVersionFromEnvironment(k *kong.Kong) error {
	for _, flag := range k.Model.Flags {
		if flag.Name == "version" || flag.Name == "help" {
			flag.Envs, flag.Tag.Envs = nil, nil
		}
	}
	return nil
}

func newParser(c *cli, ctx context.Context) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("drawdown"),
		kong.Description(description),
		kong.UsageOnError(),
		kong.DefaultEnvars("DRAWDOWN"),
		kong.PostBuild(noVersionFromEnvironment),
		kong.Configuration(loadConfig),
		kong.Vars{"version": version, "growth_runs": growthRuns()},
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
}
