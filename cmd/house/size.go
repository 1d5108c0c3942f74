package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"sort"
	"strings"
)

// The aims for lines, and the limits that fail the check.
const (
	aimFunc, maxFunc = 60, 80
	aimFile, maxFile = 500, 600
)

// checkSize reports functions and files over the aims, and counts as faults
// those over the limits and exported names without a doc comment.
func checkSize(root string) (report, faults []string, err error) {
	fset := token.NewFileSet()
	var overAim []string
	code, tests := 0, 0
	err = walkGo(root, func(path string, lines []string) {
		n := len(lines)
		if strings.HasSuffix(path, "_test.go") {
			tests += n
		} else {
			code += n
		}
		if n > maxFile {
			faults = append(faults, fmt.Sprintf("%s has %d lines", path, n))
		} else if n > aimFile {
			overAim = append(overAim, fmt.Sprintf("  %s: %d lines", path, n))
		}
		f, perr := parser.ParseFile(fset, filepath.Join(root, path), nil, parser.ParseComments)
		if perr != nil {
			faults = append(faults, perr.Error())
			return
		}
		over, bad := checkFile(fset, f, path)
		overAim = append(overAim, over...)
		faults = append(faults, bad...)
	})
	sort.Strings(overAim)
	report = append(report, fmt.Sprintf("size: %d lines of code, %d of tests; over the aims: %d", code, tests, len(overAim)))
	return append(report, overAim...), faults, err
}

func checkFile(fset *token.FileSet, f *ast.File, path string) (overAim, faults []string) {
	test := strings.HasSuffix(path, "_test.go")
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			if gen, ok := d.(*ast.GenDecl); ok && !test {
				faults = append(faults, undocumented(gen, path)...)
			}
			continue
		}
		n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
		switch {
		case n > maxFunc && !test:
			faults = append(faults, fmt.Sprintf("%s: func %s has %d lines", path, fn.Name.Name, n))
		case n > aimFunc:
			overAim = append(overAim, fmt.Sprintf("  %s: func %s: %d lines", path, fn.Name.Name, n))
		}
		if !test && fn.Name.IsExported() && fn.Doc == nil && !wellKnown[fn.Name.Name] && receiverExported(fn) {
			faults = append(faults, fmt.Sprintf("%s: %s has no doc comment", path, fn.Name.Name))
		}
	}
	return overAim, faults
}

// wellKnown methods need no comment: their interface has one.
var wellKnown = map[string]bool{"Error": true, "String": true, "Len": true, "Less": true,
	"Swap": true, "Push": true, "Pop": true, "Collect": true, "Describe": true,
	"Close": true, "Read": true, "Write": true, "LocalAddr": true, "RemoteAddr": true,
	"SetDeadline": true, "SetReadDeadline": true, "SetWriteDeadline": true, "Unwrap": true,
	"Network": true, "Addr": true, "Accept": true, "ReadFrom": true, "WriteTo": true}

// receiverExported reports whether fn is a function or a method of an
// exported type.
func receiverExported(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	t := fn.Recv.List[0].Type
	if s, ok := t.(*ast.StarExpr); ok {
		t = s.X
	}
	id, ok := t.(*ast.Ident)
	return ok && id.IsExported()
}

// undocumented returns the exported types, constants and variables of gen
// that neither it nor their own line comments on.
func undocumented(gen *ast.GenDecl, path string) (faults []string) {
	for _, s := range gen.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && gen.Doc == nil && s.Doc == nil {
				faults = append(faults, fmt.Sprintf("%s: %s has no doc comment", path, s.Name.Name))
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() && gen.Doc == nil && s.Doc == nil && s.Comment == nil {
					faults = append(faults, fmt.Sprintf("%s: %s has no doc comment", path, n.Name))
				}
			}
		}
	}
	return faults
}
