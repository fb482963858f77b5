package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// config is a configuration file: flags by their names. A key that is no flag is
// an error, so that a misspelt one is not silently without effect.
type config map[string]any

func loadConfig(r io.Reader) (kong.Resolver, error) {
	c := config{}
	if err := yaml.NewDecoder(r).Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	return c, nil
}

// Validate is called once, with all flags known.
func (c config) Validate(app *kong.Application) error {
	var known []string
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known = append(known, flag.Name)
		}
		return next(nil)
	})
	if err != nil {
		return err
	}
	for key, value := range c {
		if !slices.Contains(known, key) || key == "config" {
			return fmt.Errorf("configuration file: %q is no flag of this program", key)
		}
		switch value.(type) {
		case string, bool, int, float64:
		default:
			return fmt.Errorf("configuration file: %s: a plain value is expected", key)
		}
	}
	return nil
}

// Resolve answers a flag that the command line does not set. The environment wins
// over the file.
func (c config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := c[flag.Name]
	if !ok {
		return nil, nil
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return fmt.Sprint(value), nil
}
