package main

import "testing"

func TestX(t *testing.T) {
	sources, err := builtIn()
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range trips {
		for _, side := range []bool{false, true} {
			o, err := measure(tr, side, sources, reportTime)
			if err != nil {
				t.Error(err)
				continue
			}
			t.Logf("%v %v: %d docs, %d whole, %+v", tr, side, o.documents, o.whole, o.all)
			for _, p := range o.losing() {
				t.Logf("     %s %+v", p, *o.paths[p])
			}
		}
	}
}
