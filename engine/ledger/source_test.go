package ledger

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is the package's non-test files.
func source(t *testing.T) (*token.FileSet, []*ast.File) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files", len(files))
	}
	return fset, files
}

// The package is pure (I8): of the standard library it imports what computes, and
// nothing that knows the time, chance, the machine or the world.
func TestImports(t *testing.T) {
	allowed := []string{
		"bytes", "cmp", "encoding/base32", "encoding/binary", "encoding/hex", "errors", "fmt", "io", "maps", "math", "math/big",
		"math/bits", "slices", "sort", "strconv", "strings", "unicode/utf8",
	}
	fset, files := source(t)
	for _, f := range files {
		for _, spec := range f.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !slices.Contains(allowed, path) || spec.Name != nil {
				t.Errorf("%v imports %s", fset.Position(spec.Pos()), path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt:
				t.Errorf("%v: a goroutine or a channel", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				// Of io only interfaces and errors, of fmt nothing that writes or reads.
				pkg, ok := n.X.(*ast.Ident)
				name := n.Sel.Name
				if ok && (pkg.Name == "io" && name != "EOF" && name != "Reader" && name != "Writer" ||
					pkg.Name == "fmt" && name != "Errorf" && !strings.HasPrefix(name, "Sprint") && !strings.HasPrefix(name, "Append")) {
					t.Errorf("%v: %s.%s", fset.Position(n.Pos()), pkg.Name, name)
				}
			case *ast.Ident:
				if n.Name == "float64" || n.Name == "float32" {
					t.Errorf("%v: %s", fset.Position(n.Pos()), n.Name)
				}
			}
			return true
		})
	}
}

// Whoever ranges over a map must not let its order show: the keys are collected and
// sorted before anything else is done with them.
func TestMapRanges(t *testing.T) {
	fset, files := source(t)
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	if _, err := config.Check("ledger", fset, files, info); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			sorts := false
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if call, ok := n.(*ast.SelectorExpr); ok {
					if pkg, ok := call.X.(*ast.Ident); ok && (pkg.Name == "sort" || strings.HasPrefix(call.Sel.Name, "Sort")) {
						sorts = true
					}
				}
				return true
			})
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				loop, ok := n.(*ast.RangeStmt)
				if !ok {
					return true
				}
				of := info.Types[loop.X].Type.Underlying()
				_, isMap := of.(*types.Map)
				call, isCall := loop.X.(*ast.CallExpr)
				if isCall {
					if name, ok := call.Fun.(*ast.SelectorExpr); ok {
						if pkg, ok := name.X.(*ast.Ident); ok && pkg.Name == "maps" {
							isMap = true
						}
					}
				}
				collects := len(loop.Body.List) == 1 && loop.Value == nil
				if collects {
					_, collects = loop.Body.List[0].(*ast.AssignStmt)
				}
				if isMap && (!sorts || !collects) {
					t.Errorf("%v: %s ranges over a map", fset.Position(loop.Pos()), fn.Name.Name)
				}
				return true
			})
		}
	}
}

// The formats' versions that have golden files are the ones that are written.
func TestVersionsHaveGoldenFiles(t *testing.T) {
	for name, version := range map[string]int{"entry": entryVersion, "record": recordVersion, "snapshot": snapshotVersion} {
		if _, err := os.Stat(filepath.Join("testdata", "golden", name+"-v"+strconv.Itoa(version)+".hex")); err != nil {
			t.Error(err)
		}
	}
}
