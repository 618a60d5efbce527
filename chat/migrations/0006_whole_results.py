from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0005_attachments")]

    operations = [
        migrations.AddField("message", "whole_chars", models.PositiveIntegerField(blank=True, null=True)),
        migrations.AddField("message", "whole_id", models.UUIDField(blank=True, null=True)),
        migrations.AddField("message", "model_chars", models.PositiveIntegerField(blank=True, null=True)),
    ]
