// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command providerschema writes the provider's schema in the format of
// "terraform providers schema -json".
//
// The documentation is generated from this file. Terraform can also write it, but
// omits the kinds of objects that its own version does not know. The pages would
// then depend on the installed Terraform.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/sessionops/terraform-provider-ssm/internal/provider"
)

// address is the key of the provider in the written file. It is not the
// provider's own address: tfplugindocs finds a provider only below "hashicorp".
const address = "registry.terraform.io/hashicorp/ssm"

func main() {
	err := run(context.Background(), os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "providerschema: %s\n", err)
		os.Exit(1)
	}
}

// run writes the schema to the file in args, or to stdout.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("providerschema", flag.ContinueOnError)
	out := flags.String("out", "", "`file` to write the schema to; standard output when empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}

	server := providerserver.NewProtocol6(provider.New("dev", nil, nil)())()
	schema, err := readSchema(ctx, server)
	if err != nil {
		return err
	}

	schemas := tfjson.ProviderSchemas{
		FormatVersion: "1.0",
		Schemas:       map[string]*tfjson.ProviderSchema{address: schema},
	}
	content, err := json.MarshalIndent(schemas, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the schema: %w", err)
	}
	content = append(content, '\n')

	if *out == "" {
		_, err = stdout.Write(content)

		return err
	}

	return os.WriteFile(*out, content, 0o644)
}
