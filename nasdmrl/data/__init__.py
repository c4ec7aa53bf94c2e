"""From the official archives to arrays ready to train on: archives -> records -> images.

The numbers of the formats stand in what is made, in `dataset_spec.json` and in the images' card, and in the `params` of
the rules: a change that gives other images, or other files, has the next number, so a workflow makes them again.
"""

RECORDS_FORMAT = 2
"""What conversion makes of an archive. 1: Omniglot black on white, whole aircraft but for the banner, JPEG quality 95,
no members."""
IMAGES_FORMAT = 2
"""What decoding makes of records. 1: TensorFlow 2's bilinear, no members."""
