# Stands in for aws_instance, so that this runs without an AWS account.
resource "terraform_data" "node" {
  input = "i-0123456789abcdef0"
}

# Because it refers to the node, it is destroyed before the node is: the
# sessions end while the node can still say goodbye.
resource "ssm_session_drain" "node" {
  targets = [terraform_data.node.output]
  when    = "destroy"
}
