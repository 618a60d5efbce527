import uuid

import django.db.models.deletion
from django.db import migrations, models

import chat.clock


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0016_extra"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=64)),
                ("conversation", models.UUIDField(null=True)),
                ("created", models.DateTimeField(db_default=chat.clock.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["key", "created"], name="chat_tallies_by_key")],
            },
        ),
        migrations.CreateModel(
            name="Presence",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=64)),
                ("sockets", models.PositiveIntegerField()),
                (
                    "process",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="chat.serverprocess"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("key", "process"), name="chat_presence_once")],
            },
        ),
    ]
