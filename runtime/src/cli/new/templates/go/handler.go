// Gets the events that match a subscription filter, in batches: AWS's payload comes on stdin, each line written to
// stdout is a line of the function's own log, exit code 75 means "try again".
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
)

type batch struct {
	LogGroup  string
	LogEvents []struct{ Message string }
}

func read() (found batch, err error) {
	var payload struct{ Awslogs struct{ Data []byte } }
	if err = json.NewDecoder(os.Stdin).Decode(&payload); err != nil {
		return
	}
	text, err := gzip.NewReader(bytes.NewReader(payload.Awslogs.Data))
	if err == nil {
		err = json.NewDecoder(text).Decode(&found)
	}
	return
}

func main() {
	found, err := read()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, event := range found.LogEvents {
		fmt.Printf("%s: %s\n", found.LogGroup, event.Message)
	}
}
