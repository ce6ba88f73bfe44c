// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// TestOperations checks that each operation of the table is complete.
func TestOperations(t *testing.T) {
	t.Parallel()

	seen := make(map[string]bool)
	for _, o := range Operations() {
		if o.name == "" || seen[o.name] {
			t.Errorf("the name %q is empty or used twice", o.name)
		}
		seen[o.name] = true
		if _, known := reflect.TypeFor[*ssm.Client]().MethodByName(o.name); !known {
			t.Errorf("the SDK has no operation %q", o.name)
		}
		if o.doing == nil {
			t.Errorf("%s has no doing function", o)

			continue
		}
		doing := o.doing(&Error{SessionRef: SessionRef{Region: "us-east-1", SessionID: "jane-1"}, Target: "i-1"})
		if verb, _, _ := strings.Cut(doing, " "); !strings.HasSuffix(verb, "ing") {
			t.Errorf("%s: its errors begin with %q, want a verb that ends in -ing", o, doing)
		}
		if o.quota <= 0 {
			t.Errorf("%s has no quota, so its first throttled call would wait forever", o)
		}
		if o.iamResource == "" {
			t.Errorf("%s has no IAM resource", o)
		}
	}
}

// TestAPI checks that each operation has exactly one call.
func TestAPI(t *testing.T) {
	t.Parallel()

	calls := make(map[*Operation]int)
	value := reflect.ValueOf(newAPI(ssm.New(ssm.Options{})))
	for i := range value.NumField() {
		name := value.Type().Field(i).Name
		operation := (*Operation)(value.Field(i).FieldByName("operation").UnsafePointer())
		switch {
		case operation == nil:
			t.Errorf("%s has no operation", name)
		case !strings.EqualFold(operation.name, name):
			t.Errorf("%s is a call of %s", name, operation)
		case value.Field(i).FieldByName("send").IsNil():
			t.Errorf("%s sends nothing", name)
		}
		calls[operation]++
	}
	for _, o := range Operations() {
		if calls[o] != 1 {
			t.Errorf("%s has %d calls", o, calls[o])
		}
	}
}
